import type { ReplicaStatus } from '@stowage/core'
import type { RouteRequest } from '../request.ts'
import { factsOf, type RuleSet } from '../rules/index.ts'
import type { World } from '../world.ts'
import type { Decision, RequestSummary } from './decision.ts'
import { effectsOf } from './effects.ts'
import { filterSources, type Situation } from './filters.ts'
import { reasonsFor } from './reasons.ts'
import { compareScored, componentOrder, placementKey, vectorOf } from './vector.ts'

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
  const facts = factsOf(request)
  const matched = rules.match(facts)
  const effects = effectsOf(matched, facts)
  const version = request.version ?? newestVersion(request, world)
  const situation: Situation = { request, world, effects, replicas: replicasOf(request, world, version) }

  const filtered = filterSources(situation)
  const reads = request.purpose === 'read' || request.purpose === 'repair'
  const panic = filtered.kept.length === 0 && filtered.sick.length > 0 && reads && rules.panic === 'reads'
  const usable = panic ? filtered.sick : filtered.kept
  const tried = new Set(usable.map((source) => source.id))

  const order = componentOrder[request.purpose]
  const key = placementKey(request)
  const scored = usable
    .map((source) => ({ source, vector: vectorOf(source, effects, world, key) }))
    .sort((a, b) => compareScored(a, b, order))
  return {
    candidates: scored.map((entry, i) => ({
      sourceId: entry.source.id,
      rank: i + 1,
      vector: entry.vector,
      reasons: reasonsFor(entry, situation),
    })),
    dropped: filtered.dropped.filter((drop) => !tried.has(drop.sourceId)),
    ruleIds: matched.map((rule) => rule.id),
    ruleSetHash: rules.hash,
    panic,
    order,
    request: summary(request, version),
    at: world.now,
  }
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

function summary({ purpose, actor, datasetId }: RouteRequest, version: number | undefined): RequestSummary {
  return {
    purpose,
    userType: actor.userType ?? 'internal',
    ...(actor.userId === undefined ? {} : { userId: actor.userId }),
    ...(actor.workspaceId === undefined ? {} : { workspaceId: actor.workspaceId }),
    ...(actor.region === undefined ? {} : { region: actor.region }),
    ...(datasetId === undefined ? {} : { datasetId }),
    ...(version === undefined || purpose === 'write' ? {} : { version }),
  }
}
