import type { Decision, Drop } from '../decide/index.ts'
import type { RouteRequest } from '../request.ts'
import type { RouteSource, World } from '../world.ts'

/** Version of {@link DecisionRecord}; another one whenever a decision is computed differently from the same input. */
export const DECISION_FORMAT = 1

/** A decision as it is kept: all that it was made from and, in short, what came of it. Plain data, without secrets. */
export interface DecisionRecord {
  format: number
  id: string
  /** Milliseconds since the epoch. */
  at: number
  ruleSetHash: string
  request: RouteRequest
  /** The world as it was then. */
  world: World
  /** Source ids, best first. */
  candidates: string[]
  dropped: Pick<Drop, 'sourceId' | 'filter' | 'ruleId'>[]
  ruleIds: string[]
  panic: boolean
  /** The whole decision with vectors and reasons, where it was asked for; replaying the record gives the same. */
  trace?: Decision
}

/**
 * Makes the record of a decision.
 *
 * @param id a new one, see `Random.id`
 * @param options.trace whether to keep the whole decision. @defaultValue false
 */
export function recordOf(
  id: string,
  decision: Decision,
  request: RouteRequest,
  world: World,
  options: { trace?: boolean } = {},
): DecisionRecord {
  return {
    format: DECISION_FORMAT,
    id,
    at: decision.at,
    ruleSetHash: decision.ruleSetHash,
    request,
    world: {
      ...world,
      sources: world.sources.map(onlyRouting),
      ...(world.replicas === undefined
        ? {}
        : {
            replicas: world.replicas.map(({ datasetId, version, sourceId, status }) => ({
              datasetId,
              version,
              sourceId,
              status,
            })),
          }),
    },
    ...outcomeOf(decision),
    ...(options.trace === true ? { trace: decision } : {}),
  }
}

/** What of a decision two of them are compared by. */
export function outcomeOf(decision: Decision): Pick<DecisionRecord, 'candidates' | 'dropped' | 'ruleIds' | 'panic'> {
  return {
    candidates: decision.candidates.map(({ sourceId }) => sourceId),
    dropped: decision.dropped.map(({ sourceId, filter, ruleId }) => ({
      sourceId,
      filter,
      ...(ruleId === undefined ? {} : { ruleId }),
    })),
    ruleIds: decision.ruleIds,
    panic: decision.panic,
  }
}

const fields = [
  'id',
  'type',
  'region',
  'isPublic',
  'priority',
  'weight',
  'enabled',
  'costPerGbRead',
  'costPerGbStored',
  'labels',
  'capabilities',
  'writable',
  'room',
] as const satisfies readonly (keyof RouteSource)[]

/** A source without what routing does not look at: callers hand in sources that have more to them. */
function onlyRouting(source: RouteSource): RouteSource {
  const known = fields.filter((field) => source[field] !== undefined).map((field) => [field, source[field]])
  return Object.fromEntries(known) as RouteSource
}
