import type { DamageKind } from '@stowage/core'
import { type JsonRecords, nameOf } from '../../records/index.ts'

/** What one pass over a place counted. */
export interface PassCounts {
  files: number
  /** bytes read */
  bytes: number
  /** Objects that were found bad. */
  bad: number
  /** Those of them that were mended. */
  mended: number
  /** Objects that could not be read, which says nothing of their bytes. */
  unread: number
}

/** A pass that looked at everything a place holds. */
interface Pass extends PassCounts {
  /** Milliseconds since the epoch, by the catalog's clock. */
  startedAt: number
  endedAt: number
}

/** Something that was found, kept so that it can be looked up later. */
export interface PastFinding {
  at: number
  key: string
  kind: DamageKind
  mended: boolean
}

/** How far a pass is: the version it is in, and the last path that is done there. */
export interface Cursor {
  version: number
  /** `null` while the manifest's own objects are looked at; then a path, empty before the first. */
  after: string | null
  /** Of the next file, the first block that was not looked at, and the bad ones before it. */
  block: number
  bad: number[]
}

/** The state of one place's scrub. */
export interface PlaceState {
  datasetId: string
  sourceId: string
  path: string
  /** The pass that is under way. */
  pass: (PassCounts & { startedAt: number; cursor: Cursor | null }) | null
  /** The last one that came to its end. */
  last: Pass | null
  /** Why nothing could be read the last time, if it could not. */
  problem: { at: number; code: string; message: string } | null
  /** What was found last, newest first. */
  history: PastFinding[]
}

/** Findings that are kept of each place. */
const HISTORY = 20

const PLACES = 'scrub/place/'

export const noCounts: PassCounts = { files: 0, bytes: 0, bad: 0, mended: 0, unread: 0 }

type PlaceId = Pick<PlaceState, 'datasetId' | 'sourceId' | 'path'>

export function placeKey({ datasetId, sourceId, path }: PlaceId): string {
  return `${PLACES}${nameOf(datasetId, sourceId, path)}`
}

export function newPlace({ datasetId, sourceId, path }: PlaceId): PlaceState {
  return { datasetId, sourceId, path, pass: null, last: null, problem: null, history: [] }
}

/** The states of all places that were ever begun, by the name of their record. */
export async function placeStates(records: JsonRecords): Promise<Map<string, PlaceState>> {
  const states = new Map<string, PlaceState>()
  for await (const { key, value } of records.all<PlaceState>(PLACES)) states.set(key, value)
  return states
}

/** The state with a finding added. */
export function remember(state: PlaceState, finding: PastFinding): PlaceState {
  return { ...state, history: [finding, ...state.history].slice(0, HISTORY) }
}
