import type { DatasetReplica, Source, SourceHealth } from '@stowage/core'

/** What routing looks at in a source. A `Source` of core is one. */
export interface RouteSource
  extends Pick<Source, 'id' | 'type' | 'region' | 'isPublic' | 'priority' | 'weight' | 'enabled'> {
  /** What reading a gigabyte costs, in any one currency. @defaultValue 0 */
  costPerGbRead?: number
  /** What keeping a gigabyte for a month costs, in the same currency. @defaultValue 0 */
  costPerGbStored?: number
  /** Words for rules to match on. */
  labels?: Readonly<Record<string, string>>
  /** Names that a request's `requires` may ask for. @defaultValue none */
  capabilities?: readonly string[]
  /** False while a source is drained or is read-only: no uploads and no new copies. @defaultValue true */
  writable?: boolean
  /** Bytes that may still be written to it, where it has a bound. What does not fit is written elsewhere. @defaultValue no bound */
  room?: number
}

/** A machine that asks. */
export interface RouteNode {
  region?: string
  /** Words for rules to match on. */
  labels?: Readonly<Record<string, string>>
  /** Ids of the sources that are mounted on it: they are nearer than anything else. */
  mounts?: readonly string[]
}

/** How far regions are from each other, in any one unit. Data, so that it can be measured or set. */
export interface Regions {
  /** From one region to another. When only the other direction is given, that is used. */
  distances: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Where nothing is given, or a region is unknown. @defaultValue {@link UNKNOWN_DISTANCE} */
  default?: number
}

/** Health as routing sees it. A `SourceHealth` of core is one. */
export interface RouteHealth extends SourceHealth {
  /**
   * The part of keys, above 0 and up to 1, for which the source counts by its `tier`; for the others it counts one tier worse. Below 1 while
   * a source that was away is tried out, so that not everybody comes back to it at once.
   * @defaultValue 1
   */
  admit?: number
}

/** Everything a decision depends on besides the rules and the request. */
export interface World {
  sources: readonly RouteSource[]
  /** Replicas of the dataset asked for. */
  replicas?: readonly Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId' | 'status'>[]
  /** By source id. Absent knowledge counts as healthy. */
  health: Readonly<Record<string, RouteHealth>>
  /** How busy each source is, by id: calls under way, or any other measure. @defaultValue 0 */
  load?: Readonly<Record<string, number>>
  regions?: Regions
  /** By id. */
  nodes?: Readonly<Record<string, RouteNode>>
  /** When the decision is made, in milliseconds since the epoch; noted in the decision. */
  now: number
}

/** Farther than anything known, yet a number that survives JSON. */
export const UNKNOWN_DISTANCE: number = 1_000_000

/** The distance of a source that is mounted on the node that asks. */
export const MOUNTED: number = -1

/** The distance between two regions: 0 within one. */
export function distanceBetween(
  regions: Regions | undefined,
  from: string | undefined,
  to: string | undefined,
): number {
  if (from !== undefined && from === to) return 0
  const unknown = regions?.default ?? UNKNOWN_DISTANCE
  if (regions === undefined || from === undefined || to === undefined) return unknown
  return lookUp(lookUp(regions.distances, from), to) ?? lookUp(lookUp(regions.distances, to), from) ?? unknown
}

/** A record's own field: a source or region may have a name such as `constructor`. */
export function lookUp<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined
}
