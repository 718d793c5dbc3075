import type { Condition, RouteRequest, RouteSource, Rule, World } from '@stowage/router'

const regions = ['cn-sz', 'cn-hangzhou', 'cn-beijing', 'cn-shanghai']
const at = <T>(list: readonly T[], i: number): T => list[i % list.length] as T

/** So many sources, alike enough that rules, distance and hashing all have something to say. */
export function sourcesOf(count: number): RouteSource[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `source-${i}`,
    type: at(['oss', 'minio', 's3'] as const, i),
    region: at(regions, i),
    isPublic: i % 3 === 0,
    priority: 10 * (1 + (i % 2)),
    weight: 1 + (i % 3),
    enabled: true,
    labels: { class: at(['gold', 'silver'], i), rack: String(i % 4) },
  }))
}

/** A world in which each source has a ready replica, and one is slow. */
export function worldOf(count: number): World {
  const sources = sourcesOf(count)
  return {
    sources,
    replicas: sources.map(({ id }) => ({ datasetId: 'd', version: 3, sourceId: id, status: 'ready' })),
    health: { 'source-1': { healthy: true, tier: 0, latencyMs: 120 }, 'source-4': { healthy: false, code: 'timeout' } },
    regions: {
      distances: { 'cn-sz': { 'cn-hangzhou': 1200, 'cn-beijing': 2000, 'cn-shanghai': 1300 } },
      default: 2500,
    },
    now: 1_700_000_000_000,
  }
}

/** Rules as an operator has them: for workspaces, users, regions, tags and sizes. About one in ten applies to a request. */
export function mixedRules(count: number): Rule[] {
  const when = (i: number): Condition => {
    switch (i % 6) {
      case 0:
        return { workspaceId: `w${i % 30}` }
      case 1:
        return { purpose: 'read', region: at(regions, i) }
      case 2:
        return { tag: `tag-${i % 20}` }
      case 3:
        return { userType: 'external', not: { region: 'cn-sz' } }
      case 4:
        return { purpose: ['write', 'backup'], minSize: 2 ** (20 + (i % 20)) }
      default:
        return { any: [{ userId: `u${i % 40}` }, { workspaceId: `w${i % 25}`, tag: 'hot' }] }
    }
  }
  return Array.from({ length: count }, (_, i) => ({
    id: `mixed-${i}`,
    priority: i % 7,
    when: when(i),
    then: effect(i),
  }))
}

/** Rules for others: none applies to any of {@link requests}. */
export function otherRules(count: number): Rule[] {
  const when = (i: number): Condition =>
    at<Condition>(
      [
        { workspaceId: `other-${i}` },
        { userId: [`nobody-${i}`, `no-one-${i}`] },
        { tag: `unused-${i % 50}`, purpose: 'read' },
        { region: `eu-${i % 20}`, userType: 'internal' },
        { datasetId: `else-${i}` },
        { minSize: 2 ** 45 + i },
        { all: [{ node: `node-${i}` }, { not: { tag: 'hot' } }] },
        { any: [{ workspaceId: `other-${i}` }, { workspaceId: `further-${i}` }] },
      ],
      i,
    )
  return Array.from({ length: count }, (_, i) => ({
    id: `other-${i}`,
    priority: i % 7,
    when: when(i),
    then: effect(i),
  }))
}

/** Rules that all apply to all of {@link requests}. */
export function applyingRules(count: number): Rule[] {
  const when = (i: number): Condition =>
    at<Condition>(
      [{}, { purpose: ['read', 'write'] }, { minSize: 1 }, { not: { userId: 'root' } }, { tag: ['hot', `t${i}`] }],
      i,
    )
  return Array.from({ length: count }, (_, i) => ({ id: `all-${i}`, priority: i % 7, when: when(i), then: effect(i) }))
}

function effect(i: number): Rule['then'] {
  return at<Rule['then']>(
    [
      { prefer: { labels: { class: at(['gold', 'silver'], i) } } },
      { tieBreak: [`source-${i % 20}`, `source-${(i * 3 + 1) % 20}`] },
      { weight: { [`source-${i % 20}`]: 1 + (i % 4) } },
      { prefer: { region: at(regions, i), type: ['oss', 'minio'] } },
      { exclude: { labels: { class: 'bronze' } } },
      { require: { any: [{ isPublic: true }, { type: ['minio', 's3'] }] } },
      { permit: { labels: { rack: String(i % 4) } } },
    ],
    i,
  )
}

/** Readers and writers of many kinds. */
export const requests: readonly RouteRequest[] = Array.from({ length: 64 }, (_, i) => ({
  purpose: i % 4 === 3 ? 'write' : 'read',
  actor: {
    userId: `u${i}`,
    workspaceId: `w${i % 30}`,
    userType: i % 5 === 0 ? 'external' : 'internal',
    region: at(regions, i),
  },
  datasetId: 'd',
  tags: ['hot', `tag-${i % 20}`],
  size: 2 ** (10 + (i % 25)),
}))
