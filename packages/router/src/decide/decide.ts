import type { ReplicaStatus } from '@stowage/core'
import { hashText } from '../hash/index.ts'
import type { RouteRequest } from '../request.ts'
import { factsOf, type RuleSet } from '../rules/index.ts'
import { lookUp, type RouteSource, type World } from '../world.ts'
import type { ComponentName, Decision, Loss, RequestSummary } from './decision.ts'
import { type Effects, effectsOf } from './effects.ts'
import { filterSources, type Situation } from './filters.ts'
import { ranksOf, separator } from './ranking.ts'
import { reasonsFor } from './reasons.ts'
import { spillOver } from './spill.ts'
import { chooseTwo } from './two-choices.ts'
import {
  admissionKey,
  compareScored,
  componentOrder,
  firstDifference,
  type Ground,
  placementKey,
  type Scored,
  vectorOf,
} from './vector.ts'

/**
 * Orders the sources that can serve a request, and says why. Pure: the same rules, request and world give the same decision.
 *
 * Named filters come first; then the survivors are compared component by component (see `CostVector`). Never throws; with no candidate left
 * the list is empty and `dropped` says why.
 *
 * @example
 * ```ts
 * const decision = decide(compileRules(), { purpose: 'read', actor: { region: 'cn-sz' }, datasetId }, world)
 * const best = decision.candidates[0]?.sourceId
 * console.log(explain(decision))
 * ```
 */
export function decide(rules: RuleSet, request: RouteRequest, world: World): Decision {
  const node = request.node === undefined ? undefined : lookUp(world.nodes, request.node)
  const facts = factsOf(request, node)
  const effects = effectsOf(rules, facts, world.sources)
  const version = request.version ?? newestVersion(request, world)
  const situation: Situation = { request, world, effects, replicas: replicasOf(request, world, version) }

  const { kept, sick, dropped } = filterSources(situation)
  const panic = kept.length === 0 && sick.length > 0 && mayPanic(rules, request)
  const usable = panic ? sick : kept
  const tried = panic ? new Set(sick.map((place) => world.sources[place]?.id)) : undefined

  const order = componentOrder[request.purpose]
  const sorted = rank(usable, panic ? [] : sick, situation, node?.mounts ?? [])
  return {
    candidates: sorted.map((entry, i) => ({
      sourceId: entry.source.id,
      rank: i + 1,
      vector: entry.vector,
      ...(i === 0 ? {} : { lost: lossOf(sorted[0] as Scored, entry, order, effects) }),
      reasons: reasonsFor(entry, situation),
    })),
    dropped: tried === undefined ? dropped : dropped.filter((drop) => !tried.has(drop.sourceId)),
    ruleIds: effects.ruleIds,
    ruleSetHash: rules.hash,
    panic,
    order,
    request: summary(request, version, facts.region),
    at: world.now,
  }
}

/** Only what is checked by its digest may come from a source that may be ill. */
function mayPanic(rules: RuleSet, { purpose, checked }: RouteRequest): boolean {
  return rules.panic === 'reads' && (purpose === 'read' || purpose === 'repair') && checked !== false
}

/** The candidates in their order. */
function rank(
  usable: readonly number[],
  sick: readonly number[],
  { request, world, effects }: Situation,
  mounts: readonly string[],
): Scored[] {
  const order = componentOrder[request.purpose]
  const key = placementKey(request)
  // Sick sources are ranked beside the candidates, so that it is known which tiers they are missing from.
  const all = effects.spill?.healthy === undefined ? usable : [...usable, ...sick]
  const ground: Ground = {
    request,
    world,
    effects,
    key,
    admitKey: admissionKey(request, key),
    shareKey: effects.chooseTwo ? hashText(String(request.draw ?? 0), key) : key,
    mounts,
    preferences: ranksOf(effects.prefer, all),
    tieBreaks: ranksOf(effects.tieBreak, all),
  }
  const scored = all.map((place): Scored => {
    const source = world.sources[place] as RouteSource
    return { source, place, vector: vectorOf(source, place, ground) }
  })
  const candidates = scored.slice(0, usable.length)
  spillOver(candidates, scored.slice(usable.length), ground)
  candidates.sort((a, b) => compareScored(a, b, order))
  if (effects.chooseTwo) chooseTwo(candidates, order, ground)
  return candidates
}

function lossOf(first: Scored, other: Scored, order: readonly ComponentName[], effects: Effects): Loss {
  const component = firstDifference(first.vector, other.vector, order) ?? 'id'
  if (component === 'spill') return { component, ...ruleId(effects.spill?.ruleId) }
  if (component === 'preference') return { component, ...ruleId(separator(effects.prefer, first.place, other.place)) }
  if (component === 'tieBreak') return { component, ...ruleId(separator(effects.tieBreak, first.place, other.place)) }
  return { component }
}

function ruleId(id: string | undefined): { ruleId?: string } {
  return id === undefined ? {} : { ruleId: id }
}

/** Status by source of the replicas that matter: for reads and backups of a dataset those of the wanted version. */
function replicasOf(
  request: RouteRequest,
  world: World,
  version: number | undefined,
): Map<string, ReplicaStatus> | undefined {
  if (request.purpose === 'write' || (request.datasetId === undefined && world.replicas === undefined)) return undefined
  const statuses = new Map<string, ReplicaStatus>()
  for (const replica of world.replicas ?? []) {
    if (replica.version !== version) continue
    if (request.datasetId !== undefined && replica.datasetId !== request.datasetId) continue
    statuses.set(replica.sourceId, replica.status)
  }
  return statuses
}

function newestVersion(request: RouteRequest, world: World): number | undefined {
  let newest: number | undefined
  for (const { datasetId, version } of world.replicas ?? []) {
    if (request.datasetId !== undefined && datasetId !== request.datasetId) continue
    if (newest === undefined || version > newest) newest = version
  }
  return newest
}

function summary(
  { purpose, actor, node, datasetId }: RouteRequest,
  version: number | undefined,
  region: string | undefined,
): RequestSummary {
  return {
    purpose,
    userType: actor.userType ?? 'internal',
    ...(actor.userId === undefined ? {} : { userId: actor.userId }),
    ...(actor.workspaceId === undefined ? {} : { workspaceId: actor.workspaceId }),
    ...(region === undefined ? {} : { region }),
    ...(node === undefined ? {} : { node }),
    ...(datasetId === undefined ? {} : { datasetId }),
    ...(version === undefined || purpose === 'write' ? {} : { version }),
  }
}
