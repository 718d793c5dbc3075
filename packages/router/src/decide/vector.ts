import { compareKeys } from '@stowage/core'
import { hashText, type Lanes } from '../hash/index.ts'
import type { RoutePurpose, RouteRequest } from '../request.ts'
import { lastPlace, placeIn } from '../rules/index.ts'
import { distanceBetween, lookUp, type RouteSource, type World } from '../world.ts'
import type { ComponentName, CostVector } from './decision.ts'
import type { Effects, Selection } from './effects.ts'
import { rendezvous } from './rendezvous.ts'

/** A read is served from nearby. */
const reading: readonly ComponentName[] = [
  'preference',
  'health',
  'distance',
  'tieBreak',
  'priority',
  'latency',
  'cost',
  'share',
]
/** What is written stays there, so the operator's order of sources comes before where the writer happens to be. */
const writing: readonly ComponentName[] = [
  'preference',
  'health',
  'priority',
  'distance',
  'tieBreak',
  'latency',
  'cost',
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

/** The cost vector of one source. */
export function vectorOf(source: RouteSource, effects: Effects, world: World, key: Lanes): CostVector {
  const health = lookUp(world.health, source.id)
  return {
    preference: places(effects.prefer, source, effects),
    health: health?.tier ?? 0,
    distance: distanceBetween(world.regions, effects.facts.region, source.region),
    tieBreak: places(effects.tieBreak, source, effects),
    priority: source.priority,
    latency: latencyStep(health?.latencyMs),
    cost: source.costPerGb ?? 0,
    share: rendezvous(key, source.id, effects.weight.get(source.id) ?? source.weight),
  }
}

function places(selections: readonly Selection[], source: RouteSource, effects: Effects): number[] {
  return selections.map(({ selector }) => {
    const place = placeIn(selector, source, effects.facts)
    return place < 0 ? lastPlace(selector) : place
  })
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
  readonly vector: CostVector
}

/** Compares by each component in turn; the id decides what is left, so that an order never depends on the input's. */
export function compareScored(a: Scored, b: Scored, order: readonly ComponentName[]): number {
  const difference = firstDifference(a.vector, b.vector, order)
  return difference === undefined ? compareKeys(a.source.id, b.source.id) : difference.sign
}

/** The first component in which two vectors differ, and which side it speaks for: negative for `a`. */
export function firstDifference(
  a: CostVector,
  b: CostVector,
  order: readonly ComponentName[],
): { component: ComponentName; sign: number } | undefined {
  for (const component of order) {
    const sign = compareComponent(a[component], b[component])
    if (sign !== 0) return { component, sign }
  }
  return undefined
}

function compareComponent(a: number | readonly number[], b: number | readonly number[]): number {
  if (typeof a === 'number' || typeof b === 'number') return Math.sign(Number(a) - Number(b))
  for (let i = 0; i < a.length; i++) {
    const sign = Math.sign((a[i] ?? 0) - (b[i] ?? 0))
    if (sign !== 0) return sign
  }
  return 0
}
