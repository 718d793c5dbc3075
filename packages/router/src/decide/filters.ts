import type { ReplicaStatus } from '@stowage/core'
import type { RouteRequest } from '../request.ts'
import { placeIn } from '../rules/index.ts'
import { lookUp, type RouteSource, type World } from '../world.ts'
import type { Drop, FilterName } from './decision.ts'
import type { Effects } from './effects.ts'

/** What the filters look at. */
export interface Situation {
  readonly request: RouteRequest
  readonly world: World
  readonly effects: Effects
  /** Status of the replica of the wanted version by source id; `undefined` when replicas do not matter. */
  readonly replicas: ReadonlyMap<string, ReplicaStatus> | undefined
}

/** Says why a source cannot serve, or `undefined` when it can. */
type Filter = (source: RouteSource, situation: Situation) => string | undefined

/** In the order of `filterNames`, which is that of this record. */
const filters: Record<FilterName, Filter> = {
  excluded: (source, { request }) =>
    request.excludeSources?.includes(source.id) ? 'the request excludes it' : undefined,

  enabled: (source) => (source.enabled ? undefined : 'it is disabled'),

  healthy: (source, { world }) => {
    const health = lookUp(world.health, source.id)
    if (health === undefined || health.healthy) return undefined
    return health.code === undefined ? 'it is not healthy' : `it is not healthy (${health.code})`
  },

  permitted: (source, { request, effects }) => {
    if (request.purpose === 'backup' || request.purpose === 'repair') return undefined
    if (source.isPublic || request.actor.userType !== 'external') return undefined
    if (effects.permit.some(({ selector }) => placeIn(selector, source, effects.facts) >= 0)) return undefined
    return 'it is not public and the user is external'
  },

  residency: (source, { request }) => {
    if (request.residency === undefined) return undefined
    if (source.region !== undefined && request.residency.includes(source.region)) return undefined
    return `the data must stay in ${request.residency.join(', ') || 'no region'}, and it is in ${source.region ?? 'no known region'}`
  },

  replica: (source, { request, replicas }) => {
    if (replicas === undefined) return undefined
    const status = replicas.get(source.id)
    if (request.purpose === 'backup') {
      return status === undefined || status === 'error' ? undefined : `it has a replica already (${status})`
    }
    if (status === 'ready') return undefined
    return status === undefined ? 'it has no replica' : `its replica is not ready (${status})`
  },

  writable: (source, { request }) => {
    if (request.purpose === 'read' || request.purpose === 'repair') return undefined
    return source.writable === false ? 'it takes no writes' : undefined
  },

  capability: (source, { request }) => {
    const missing = request.requires?.find((name) => !source.capabilities?.includes(name))
    return missing === undefined ? undefined : `it cannot do ${missing}`
  },

  rule: (source, { effects }) => {
    const against = effects.exclude.find(({ selector }) => placeIn(selector, source, effects.facts) >= 0)
    if (against !== undefined) return `rule "${against.ruleId}" excludes it`
    const without = effects.require.find(({ selector }) => placeIn(selector, source, effects.facts) < 0)
    return without === undefined ? undefined : `rule "${without.ruleId}" requires others`
  },
}

const inOrder = Object.entries(filters) as [FilterName, Filter][]

/** What the filters left. */
export interface Filtered {
  readonly kept: RouteSource[]
  readonly dropped: Drop[]
  /** Sources that only their health speaks against. */
  readonly sick: RouteSource[]
}

/** Asks every source every filter until one drops it. */
export function filterSources(situation: Situation): Filtered {
  const kept: RouteSource[] = []
  const dropped: Drop[] = []
  const sick: RouteSource[] = []
  for (const source of situation.world.sources) {
    let first: Drop | undefined
    let onlySick = true
    for (const [filter, check] of inOrder) {
      const reason = check(source, situation)
      if (reason === undefined) continue
      first ??= { sourceId: source.id, filter, reason }
      if (filter === 'healthy') continue
      onlySick = false
      break
    }
    if (first === undefined) kept.push(source)
    else dropped.push(first)
    if (first !== undefined && onlySick) sick.push(source)
  }
  return { kept, dropped, sick }
}
