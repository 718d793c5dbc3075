import { compareKeys } from '@stowage/core'
import { hashText, type Lanes, toUnit } from '../hash/index.ts'
import type { RoutePurpose, RouteRequest } from '../request.ts'
import { distanceBetween, lookUp, MOUNTED, type RouteHealth, type RouteSource, type World } from '../world.ts'
import type { ComponentName, CostVector } from './decision.ts'
import type { Effects } from './effects.ts'
import { rendezvous } from './rendezvous.ts'

/** A read is served from nearby. */
const reading: readonly ComponentName[] = [
  'spill',
  'preference',
  'health',
  'session',
  'distance',
  'tieBreak',
  'priority',
  'latency',
  'cost',
  'load',
  'share',
]
/** What is written stays there, so the operator's order of sources comes before where the writer happens to be. */
const writing: readonly ComponentName[] = [
  'spill',
  'preference',
  'health',
  'session',
  'priority',
  'distance',
  'tieBreak',
  'latency',
  'cost',
  'load',
  'share',
]

/** What candidates are compared by, the first difference deciding. */
export const componentOrder: Readonly<Record<RoutePurpose, readonly ComponentName[]>> = {
  read: reading,
  repair: reading,
  write: writing,
  backup: writing,
}

/** What rendezvous hashing places: the dataset, else whoever asks. */
export function placementKey({ datasetId, actor }: RouteRequest): Lanes {
  return hashText(datasetId ?? actor.userId ?? actor.workspaceId ?? '')
}

/** What a source on trial admits a part of. A thousand readers of one dataset shall not come back to it as one. */
export function admissionKey({ reader, actor }: RouteRequest, key: Lanes): Lanes {
  return reader === undefined ? key : hashText(`${reader}/${actor.userId ?? actor.workspaceId ?? ''}`, key)
}

/** What the vectors of all candidates are computed from. */
export interface Ground {
  readonly request: RouteRequest
  readonly world: World
  readonly effects: Effects
  /** What is placed, see `placementKey`. */
  readonly key: Lanes
  /** What a source on trial admits a part of: `key`, by reader. */
  readonly admitKey: Lanes
  /** `key`, drawn anew for each request where rules choose between two. */
  readonly shareKey: Lanes
  readonly mounts: readonly string[]
  /** By place of a source, see `ranksOf`. */
  readonly preferences: readonly number[]
  readonly tieBreaks: readonly number[]
}

/** The cost vector of the source of a place; `spill` and `load`, which depend on the others, come later. */
export function vectorOf(source: RouteSource, place: number, ground: Ground): CostVector {
  const { request, world, effects, admitKey, shareKey, mounts } = ground
  const health = lookUp(world.health, source.id)
  const reads = request.purpose === 'read' || request.purpose === 'repair'
  return {
    spill: 0,
    preference: ground.preferences[place] ?? 0,
    health: healthTier(source.id, health, admitKey),
    session: request.stayWith === undefined || request.stayWith === source.id ? 0 : 1,
    distance: mounts.includes(source.id)
      ? MOUNTED
      : distanceBetween(world.regions, effects.facts.region, source.region),
    tieBreak: ground.tieBreaks[place] ?? 0,
    priority: source.priority,
    latency: latencyStep(health?.latencyMs),
    cost: (reads ? source.costPerGbRead : source.costPerGbStored) ?? 0,
    load: 0,
    share: rendezvous(shareKey, source.id, weightOf(source, effects)),
  }
}

export function weightOf(source: RouteSource, effects: Effects): number {
  return effects.weights.get(source.id) ?? source.weight
}

/** One tier worse for the keys that a source on trial does not admit yet. */
function healthTier(sourceId: string, health: RouteHealth | undefined, key: Lanes): number {
  const tier = health?.tier ?? 0
  if (health?.admit === undefined || health.admit >= 1) return tier
  return toUnit(hashText(sourceId, hashText('admit', key))) < health.admit ? tier : tier + 1
}

/** Coarse, so that sources of about the same speed share by weight, and a choice does not flip with every measurement. */
function latencyStep(ms: number | undefined): number {
  let step = 0
  for (let bound = 25; ms !== undefined && ms >= bound && step < 8; bound *= 4) step++
  return step
}

/** A vector and whose it is. */
export interface Scored {
  readonly source: RouteSource
  readonly place: number
  readonly vector: CostVector
}

/** Compares by each component in turn; the id decides what is left, so that an order never depends on the input's. */
export function compareScored(a: Scored, b: Scored, order: readonly ComponentName[]): number {
  const component = firstDifference(a.vector, b.vector, order)
  return component === undefined ? compareKeys(a.source.id, b.source.id) : a.vector[component] - b.vector[component]
}

/** The first component in which two vectors differ. */
export function firstDifference(
  a: CostVector,
  b: CostVector,
  order: readonly ComponentName[],
): ComponentName | undefined {
  for (const component of order) if (a[component] !== b[component]) return component
  return undefined
}
