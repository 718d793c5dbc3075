import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RouteRequest } from '../request.ts'
import { compileRules } from '../rules/index.ts'
import type { RouteSource, World } from '../world.ts'
import { decide } from './decide.ts'
import type { Decision, FilterName } from './decision.ts'
import { filterNames } from './decision.ts'

const oss: RouteSource = {
  id: 'oss',
  type: 'oss',
  region: 'cn-hangzhou',
  isPublic: true,
  priority: 10,
  weight: 1,
  enabled: true,
}
const lan: RouteSource = {
  id: 'lan',
  type: 'minio',
  region: 'cn-sz',
  isPublic: false,
  priority: 100,
  weight: 1,
  enabled: true,
}
const disk: RouteSource = { id: 'disk', type: 'filesystem', isPublic: false, priority: 200, weight: 1, enabled: true }
const regions = { distances: { 'cn-sz': { 'cn-hangzhou': 1200, 'cn-beijing': 2000 } }, default: 9000 }

function world(part: Partial<World> = {}): World {
  return { sources: [oss, lan], health: {}, regions, now: 1000, ...part }
}

function replicas(
  ...rows: [string, 'ready' | 'syncing' | 'error' | 'deleting', number?][]
): NonNullable<World['replicas']> {
  return rows.map(([sourceId, status, version = 1]) => ({ datasetId: 'd', version, sourceId, status }))
}

const both = replicas(['oss', 'ready'], ['lan', 'ready'])
const node: RouteRequest = { purpose: 'read', datasetId: 'd', actor: { workspaceId: 'w7', region: 'cn-sz' } }
const rules = compileRules()

function ids(decision: Decision): string[] {
  return decision.candidates.map(({ sourceId }) => sourceId)
}

function drops(decision: Decision): Record<string, FilterName> {
  return Object.fromEntries(decision.dropped.map(({ sourceId, filter }) => [sourceId, filter]))
}

describe('the three scenarios', () => {
  test('an external user uploads to the public source', () => {
    const decision = decide(rules, { purpose: 'write', actor: { userId: 'ada', userType: 'external' } }, world())
    expect(ids(decision)).toEqual(['oss'])
    expect(drops(decision)).toEqual({ lan: 'permitted' })
    expect(decision.ruleIds).toEqual(['default-external-write'])
  })

  test('an internal user uploads inside, although the public source has the smaller priority, and outside when inside is away', () => {
    const request: RouteRequest = { purpose: 'write', actor: { userId: 'bob', userType: 'internal' } }
    expect(ids(decide(rules, request, world()))).toEqual(['lan', 'oss'])
    expect(ids(decide(rules, request, world({ health: { lan: { healthy: false } } })))).toEqual(['oss'])
    expect(ids(decide(rules, { purpose: 'write', actor: {} }, world()))).toEqual(['lan', 'oss'])
  })

  test('training reads from inside once that replica is ready, from outside until then and when inside fails', () => {
    expect(ids(decide(rules, node, world({ replicas: both })))).toEqual(['lan', 'oss'])
    const syncing = decide(rules, node, world({ replicas: replicas(['oss', 'ready'], ['lan', 'syncing']) }))
    expect(ids(syncing)).toEqual(['oss'])
    expect(drops(syncing)).toEqual({ lan: 'replica' })
    expect(ids(decide(rules, node, world({ replicas: both, health: { lan: { healthy: false } } })))).toEqual(['oss'])
    expect(ids(decide(rules, { ...node, excludeSources: ['lan'] }, world({ replicas: both })))).toEqual(['oss'])
  })

  test('a node reads from nearest first; of one that says no region, from inside', () => {
    expect(ids(decide(rules, { ...node, actor: { region: 'cn-hangzhou' } }, world({ replicas: both })))).toEqual([
      'oss',
      'lan',
    ])
    expect(ids(decide(rules, { ...node, actor: {} }, world({ replicas: both })))).toEqual(['lan', 'oss'])
    expect(ids(decide(rules, { ...node, actor: { region: 'moon' } }, world({ replicas: both })))).toEqual([
      'lan',
      'oss',
    ])
  })

  test('an external reader gets the public replica, wherever it stands', () => {
    const decision = decide(
      rules,
      { ...node, actor: { userType: 'external', region: 'cn-sz' } },
      world({ replicas: both }),
    )
    expect(ids(decision)).toEqual(['oss'])
  })
})

describe('order', () => {
  test('a smaller priority is tried first', () => {
    const sources = [30, 10, 20].map((priority) => ({ ...oss, id: `p${priority}`, priority }))
    for (const purpose of ['read', 'write', 'backup', 'repair'] as const) {
      expect(ids(decide(rules, { purpose, actor: {} }, world({ sources })))).toEqual(['p10', 'p20', 'p30'])
    }
  })

  test('a write looks at priority before distance, a read at distance before priority', () => {
    const near = { ...oss, id: 'near', region: 'cn-sz', priority: 50 }
    const sources = [near, { ...oss, id: 'far', priority: 5 }]
    const actor = { region: 'cn-sz' }
    expect(ids(decide(rules, { purpose: 'write', actor }, world({ sources })))).toEqual(['far', 'near'])
    expect(ids(decide(rules, { purpose: 'read', actor }, world({ sources })))).toEqual(['near', 'far'])
  })

  test('a degraded source comes after a well one, however near', () => {
    expect(ids(decide(rules, node, world({ replicas: both, health: { lan: { healthy: true, tier: 1 } } })))).toEqual([
      'oss',
      'lan',
    ])
  })

  test('latency counts in steps, then cost', () => {
    const sources = ['a', 'b', 'c'].map((id) => ({ ...oss, id, costPerGbRead: id === 'b' ? 1 : 2 }))
    const health = {
      a: { healthy: true, latencyMs: 400 },
      b: { healthy: true, latencyMs: 24 },
      c: { healthy: true, latencyMs: 3 },
    }
    const decision = decide(rules, { purpose: 'read', actor: {} }, world({ sources, health }))
    expect(ids(decision)).toEqual(['b', 'c', 'a'])
    expect(decision.candidates.map(({ vector }) => vector.latency)).toEqual([0, 0, 3])
  })

  test('distance is known in both directions, is 0 within a region and large when unknown', () => {
    const sources = [lan, oss, disk]
    const found = decide(rules, { purpose: 'read', actor: { region: 'cn-hangzhou' } }, world({ sources }))
    expect(Object.fromEntries(found.candidates.map(({ sourceId, vector }) => [sourceId, vector.distance]))).toEqual({
      oss: 0,
      lan: 1200,
      disk: 9000,
    })
  })
})

describe('filters', () => {
  const cases: [FilterName, Partial<RouteRequest>, Partial<RouteSource>, Partial<World>][] = [
    ['excluded', { excludeSources: ['lan'] }, {}, {}],
    ['enabled', {}, { enabled: false }, {}],
    ['healthy', {}, {}, { health: { lan: { healthy: false, code: 'timeout' } } }],
    ['permitted', { actor: { userType: 'external' } }, {}, {}],
    ['residency', { residency: ['cn-hangzhou'] }, {}, {}],
    ['replica', { purpose: 'read', datasetId: 'd' }, {}, { replicas: replicas(['oss', 'ready'], ['lan', 'deleting']) }],
    ['writable', {}, { writable: false }, {}],
    ['room', {}, { room: 0 }, {}],
    ['room', { purpose: 'backup', size: 11 }, { room: 10 }, {}],
    ['capability', { requires: ['presign', 'mount'] }, { capabilities: ['presign'] }, {}],
  ]

  test.for(cases)('%s', ([filter, request, source, part]) => {
    const able = { ...oss, capabilities: ['presign', 'mount'] }
    const sources = [able, { ...lan, ...source }]
    const decision = decide(rules, { purpose: 'write', actor: {}, ...request }, world({ ...part, sources }))
    expect(drops(decision)).toEqual({ lan: filter })
    expect(ids(decision)).toEqual(['oss'])
    expect(decision.dropped[0]?.reason).toMatch(/\w/)
  })

  test('what is full is read from, and takes what fits', () => {
    const sources = [oss, { ...lan, room: 10 }]
    const asked = (request: Partial<RouteRequest>) =>
      ids(decide(rules, { purpose: 'write', actor: {}, ...request }, world({ sources, replicas: both })))
    expect(asked({ size: 10 })).toContain('lan')
    expect(asked({})).toContain('lan')
    expect(asked({ size: 11 })).toEqual(['oss'])
    for (const purpose of ['read', 'repair'] as const) {
      expect(asked({ purpose, datasetId: 'd', size: 11 })).toContain('lan')
    }
  })

  test('rules exclude and require', () => {
    const excluding = compileRules([{ id: 'no-lan', then: { exclude: 'lan' } }])
    expect(decide(excluding, node, world({ replicas: both })).dropped).toEqual([
      { sourceId: 'lan', filter: 'rule', reason: 'rule "no-lan" excludes it', ruleId: 'no-lan' },
    ])
    const requiring = compileRules([{ id: 'gold', then: { require: { labels: { class: 'gold' } } } }])
    const sources = [oss, { ...lan, labels: { class: 'gold' } }]
    expect(ids(decide(requiring, node, world({ sources, replicas: both })))).toEqual(['lan'])
  })

  test('the first filter in their order is the one that is named', () => {
    const off = { ...lan, enabled: false, writable: false }
    const decision = decide(
      rules,
      { purpose: 'write', actor: { userType: 'external' }, excludeSources: ['oss'] },
      world({ sources: [oss, off], health: { lan: { healthy: false } } }),
    )
    expect(drops(decision)).toEqual({ oss: 'excluded', lan: 'enabled' })
    expect(filterNames.indexOf('excluded')).toBeLessThan(filterNames.indexOf('enabled'))
  })

  test('a rule permits external users a source that is not public', () => {
    const permitting = compileRules([{ id: 'guest', when: { userId: 'eve' }, then: { permit: ['lan'] } }])
    const request = (userId: string): RouteRequest => ({ purpose: 'write', actor: { userId, userType: 'external' } })
    expect(ids(decide(permitting, request('eve'), world()))).toEqual(['oss', 'lan'])
    expect(ids(decide(permitting, request('mallory'), world()))).toEqual(['oss'])
  })

  test('what Stowage moves itself does not ask what the actor may see', () => {
    const actor = { userType: 'external' } as const
    expect(
      ids(decide(rules, { purpose: 'backup', datasetId: 'd', actor }, world({ replicas: replicas(['oss', 'ready']) }))),
    ).toEqual(['lan'])
    expect(ids(decide(rules, { purpose: 'repair', datasetId: 'd', actor }, world({ replicas: both })))).toHaveLength(2)
  })

  test('a backup goes where no copy is, or a broken one', () => {
    const request: RouteRequest = { purpose: 'backup', datasetId: 'd', actor: {} }
    const decision = decide(
      rules,
      request,
      world({ sources: [oss, lan, disk], replicas: replicas(['oss', 'ready'], ['lan', 'error']) }),
    )
    expect(ids(decision)).toEqual(['lan', 'disk'])
    expect(drops(decision)).toEqual({ oss: 'replica' })
  })

  test('a read is of the newest version unless it names another', () => {
    const known = replicas(['oss', 'ready', 1], ['lan', 'ready', 1], ['oss', 'ready', 2])
    const newest = decide(rules, node, world({ replicas: known }))
    expect(ids(newest)).toEqual(['oss'])
    expect(newest.request.version).toBe(2)
    expect(ids(decide(rules, { ...node, version: 1 }, world({ replicas: known })))).toEqual(['lan', 'oss'])
    expect(ids(decide(rules, { ...node, version: 3 }, world({ replicas: known })))).toEqual([])
    expect(ids(decide(rules, { ...node, datasetId: 'other' }, world({ replicas: known })))).toEqual([])
    expect(ids(decide(rules, node, world()))).toEqual([])
  })

  test('nothing is inherited from objects: ids may be the names of their methods', () => {
    const sources = [{ ...oss, id: 'constructor', region: 'toString' }]
    expect(ids(decide(rules, { purpose: 'write', actor: { region: '__proto__' } }, world({ sources })))).toEqual([
      'constructor',
    ])
  })
})

describe('panic', () => {
  const sick = { oss: { healthy: false }, lan: { healthy: false, code: 'timeout' } }

  test('with nothing healthy, reads try what is there, and say so', () => {
    const decision = decide(rules, node, world({ replicas: both, health: sick, sources: [oss, lan, disk] }))
    expect(decision.panic).toBe(true)
    expect(ids(decision)).toEqual(['lan', 'oss'])
    expect(decision.candidates[0]?.reasons.join()).toContain('timeout')
    expect(drops(decision)).toEqual({ disk: 'replica' })
    expect(decide(rules, { ...node, purpose: 'repair' }, world({ replicas: both, health: sick })).panic).toBe(true)
  })

  test('writes and backups never do', () => {
    for (const purpose of ['write', 'backup'] as const) {
      const decision = decide(rules, { purpose, actor: {} }, world({ health: sick }))
      expect(decision.panic).toBe(false)
      expect(ids(decision)).toEqual([])
      expect(drops(decision)).toEqual({ oss: 'healthy', lan: 'healthy' })
    }
  })

  test('it opens no other filter', () => {
    const decision = decide(
      rules,
      { ...node, actor: { userType: 'external' } },
      world({ replicas: both, health: sick }),
    )
    expect(ids(decision)).toEqual(['oss'])
    expect(drops(decision)).toEqual({ lan: 'healthy' })
  })

  test('it can be ruled out', () => {
    const decision = decide(compileRules({ panic: 'never' }), node, world({ replicas: both, health: sick }))
    expect(decision.panic).toBe(false)
    expect(ids(decision)).toEqual([])
  })
})

describe('rules', () => {
  test('what a rule prefers comes first, an id list in its order', () => {
    const set = compileRules([{ id: 'r', then: { prefer: ['disk', 'oss'] } }])
    const decision = decide(set, { purpose: 'read', actor: { region: 'cn-sz' } }, world({ sources: [lan, oss, disk] }))
    expect(ids(decision)).toEqual(['disk', 'oss', 'lan'])
    expect(decision.candidates[0]?.reasons[0]).toBe('rule "r" prefers it')
  })

  test('the rule of the smaller priority counts more', () => {
    const set = compileRules([
      { id: 'late', priority: 20, then: { prefer: ['oss'] } },
      { id: 'early', priority: 10, then: { prefer: ['lan'] } },
    ])
    const decision = decide(set, { purpose: 'read', actor: {} }, world())
    expect(ids(decision)).toEqual(['lan', 'oss'])
    expect(decision.ruleIds).toEqual(['early', 'late', 'default-internal-read'])
  })

  test('a rule about its own region', () => {
    const set = compileRules([{ id: 'stay', then: { require: { sameRegion: true } } }])
    expect(ids(decide(set, node, world({ replicas: both })))).toEqual(['lan'])
    expect(ids(decide(set, { ...node, actor: {} }, world({ replicas: both })))).toEqual([])
  })

  test('a weight of 0 puts a source last among equals', () => {
    const sources = ['a', 'b', 'c'].map((id) => ({ ...oss, id }))
    const set = compileRules([{ id: 'drain', then: { weight: { b: 0 } } }])
    for (let i = 0; i < 50; i++) {
      const decision = decide(set, { purpose: 'read', actor: { userId: `u${i}` } }, world({ sources }))
      expect(ids(decision)[2]).toBe('b')
      expect(JSON.parse(JSON.stringify(decision))).toEqual(decision)
    }
  })
})

const arbitraryWorld = fc.record({
  sources: fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      type: fc.constant('s3' as const),
      region: fc.constantFrom('cn-sz', 'cn-hangzhou', 'cn-beijing'),
      isPublic: fc.boolean(),
      priority: fc.constantFrom(10, 20),
      weight: fc.constantFrom(0, 1, 5),
      enabled: fc.boolean(),
      writable: fc.boolean(),
    }),
    { selector: ({ id }) => id },
  ),
  replicas: fc.uniqueArray(
    fc.record({
      datasetId: fc.constant('d'),
      version: fc.constantFrom(1, 2),
      sourceId: fc.constantFrom('a', 'b', 'c', 'd'),
      status: fc.constantFrom('ready' as const, 'syncing' as const, 'error' as const, 'deleting' as const),
    }),
    { selector: ({ sourceId, version }) => `${sourceId}/${version}` },
  ),
  health: fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.record({ healthy: fc.boolean(), tier: fc.constantFrom(0, 1) }),
  ),
  regions: fc.constant(regions),
  now: fc.constant(1),
})

const arbitraryRequest = fc.record(
  {
    purpose: fc.constantFrom('read' as const, 'write' as const, 'backup' as const, 'repair' as const),
    actor: fc.record(
      {
        userType: fc.constantFrom('external' as const, 'internal' as const),
        region: fc.constantFrom('cn-sz', 'cn-hangzhou', 'x'),
        userId: fc.constantFrom('ada', 'bob'),
      },
      { requiredKeys: [] },
    ),
    datasetId: fc.constant('d'),
    version: fc.constantFrom(1, 2),
    excludeSources: fc.array(fc.constantFrom('a', 'b')),
  },
  { requiredKeys: ['purpose', 'actor'] },
)

describe('for every world', () => {
  const options = { numRuns: runs(400, 20_000), seed: testSeed() }

  test('what must not be chosen is not, and every source is a candidate or dropped', () => {
    fc.assert(
      fc.property(arbitraryWorld, arbitraryRequest, (some, request) => {
        const decision = decide(rules, request, some)
        const byId = new Map(some.sources.map((source) => [source.id as string, source]))
        for (const { sourceId } of decision.candidates) {
          const source = byId.get(sourceId)
          expect(source?.enabled).toBe(true)
          expect(request.excludeSources ?? []).not.toContain(sourceId)
          if (some.health[sourceId]?.healthy === false) expect(decision.panic).toBe(true)
          const own = request.purpose === 'backup' || request.purpose === 'repair'
          if (request.actor.userType === 'external' && !own) expect(source?.isPublic).toBe(true)
          if (request.purpose === 'write' || request.purpose === 'backup') {
            expect(source?.writable).toBe(true)
            expect(decision.panic).toBe(false)
          }
          if (request.purpose === 'read' && request.version !== undefined) {
            expect(some.replicas).toContainEqual({
              datasetId: 'd',
              version: request.version,
              sourceId,
              status: 'ready',
            })
          }
        }
        const all = [...decision.candidates, ...decision.dropped].map(({ sourceId }) => sourceId)
        expect([...all].sort()).toEqual([...byId.keys()].sort())
        expect(decision.candidates.map(({ rank }) => rank)).toEqual(decision.candidates.map((_, i) => i + 1))
      }),
      options,
    )
  })

  test('the same input gives the same answer, in whatever order the sources come, and changes nothing', () => {
    fc.assert(
      fc.property(arbitraryWorld, arbitraryRequest, (some, request) => {
        const before = JSON.stringify([some, request])
        const decision = decide(rules, request, some)
        expect(decide(rules, request, structuredClone(some))).toEqual(decision)
        const turned = decide(rules, request, { ...some, sources: [...some.sources].reverse() })
        expect(turned.candidates).toEqual(decision.candidates)
        expect(JSON.stringify([some, request])).toBe(before)
        expect(JSON.parse(JSON.stringify(decision))).toEqual(decision)
      }),
      options,
    )
  })

  test('taking a source away leaves the others in their order', () => {
    fc.assert(
      fc.property(arbitraryWorld, arbitraryRequest, (some, request) => {
        const decision = decide(rules, { ...request, version: 1 }, some)
        fc.pre(!decision.panic && decision.candidates.length > 1)
        for (const { sourceId } of decision.candidates) {
          const rest = decide(
            rules,
            { ...request, version: 1 },
            { ...some, sources: some.sources.filter(({ id }) => id !== sourceId) },
          )
          expect(ids(rest)).toEqual(ids(decision).filter((id) => id !== sourceId))
        }
      }),
      options,
    )
  })
})
