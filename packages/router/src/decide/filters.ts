import type { ReplicaStatus } from '@stowage/core'
import { ailment } from '../health/index.ts'
import type { RouteRequest } from '../request.ts'
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

/** Why a source cannot serve: in words, or as the rule that says so. */
type Against = string | { reason: string; ruleId: string } | undefined

/** Says why the source of a place cannot serve, or `undefined` when it can. */
type Filter = (source: RouteSource, situation: Situation, place: number) => Against

/** In the order of `filterNames`, which is that of this record. */
const filters: Record<FilterName, Filter> = {
  excluded: (source, { request }) =>
    request.excludeSources?.includes(source.id) ? 'the request excludes it' : undefined,

  enabled: (source) => (source.enabled ? undefined : 'it is disabled'),

  healthy: (source, { world }) => {
    const health = lookUp(world.health, source.id)
    if (health === undefined || health.healthy) return undefined
    const why = ailment(health)
    return why === '' ? 'it is not healthy' : `it is not healthy (${why})`
  },

  permitted: (source, { request, effects }, place) => {
    if (request.purpose === 'backup' || request.purpose === 'repair') return undefined
    if (source.isPublic || request.actor.userType !== 'external') return undefined
    return effects.permittedBy[place] === undefined ? 'it is not public and the user is external' : undefined
  },

  residency: (source, { request, effects }, place) => {
    const { residency } = request
    if (residency !== undefined && (source.region === undefined || !residency.includes(source.region))) {
      return `the data must stay in ${residency.join(', ') || 'no region'}, and it is in ${source.region ?? 'no known region'}`
    }
    const ruleId = effects.outsideBy[place]
    if (ruleId === undefined) return undefined
    return { reason: `rule "${ruleId}" keeps the data from ${source.region ?? 'where no region is known'}`, ruleId }
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

  room: ({ room }, { request }) => {
    if (room === undefined || request.purpose === 'read' || request.purpose === 'repair') return undefined
    if (room <= 0) return 'it is full'
    const { size = 0 } = request
    return size > room ? `it has room for ${room} bytes, not for ${size}` : undefined
  },

  capability: ({ capabilities }, { request }) => {
    for (const name of request.requires ?? []) if (!capabilities?.includes(name)) return `it cannot do ${name}`
    return undefined
  },

  rule: (_, { effects }, place) => {
    const against = effects.excludedBy[place]
    if (against !== undefined) return { reason: `rule "${against}" excludes it`, ruleId: against }
    const without = effects.unmetBy[place]
    return without === undefined ? undefined : { reason: `rule "${without}" requires others`, ruleId: without }
  },
}

const inOrder = Object.entries(filters) as [FilterName, Filter][]

/** What the filters left, as places of sources. */
export interface Filtered {
  readonly kept: number[]
  readonly dropped: Drop[]
  /** Sources that only their health speaks against. */
  readonly sick: number[]
}

/** Asks every source every filter until one drops it. */
export function filterSources(situation: Situation): Filtered {
  const kept: number[] = []
  const dropped: Drop[] = []
  const sick: number[] = []
  const { sources } = situation.world
  for (let place = 0; place < sources.length; place++) {
    const source = sources[place] as RouteSource
    let first: Drop | undefined
    let onlySick = true
    for (let i = 0; i < inOrder.length; i++) {
      const [filter, check] = inOrder[i] as (typeof inOrder)[number]
      const against = check(source, situation, place)
      if (against === undefined) continue
      first ??= { sourceId: source.id, filter, ...(typeof against === 'string' ? { reason: against } : against) }
      if (filter === 'healthy') continue
      onlySick = false
      break
    }
    if (first === undefined) kept.push(place)
    else dropped.push(first)
    if (first !== undefined && onlySick) sick.push(place)
  }
  return { kept, dropped, sick }
}
