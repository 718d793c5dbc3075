import type { DatasetVersion, ManifestEntry } from '@stowage/core'
import { type JsonRecords, nameOf } from '../../records/index.ts'
import type { Unit } from './units.ts'

/** An object that is to be looked at before its turn: a read found it bad, or an earlier look did not come to an end with it. */
export interface Suspect {
  datasetId: string
  sourceId: string
  /** The replica's path. */
  path: string
  version: number
  what: Unit['what']
  /** Relative to the path. */
  key: string
  name: string
  entry: ManifestEntry | null
  /** Looks that came to nothing. */
  tries: number
  /** Not before, by the catalog's clock. */
  at: number
}

const SUSPECTS = 'scrub/suspect/'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Of an object that was not reported before: how long until the second look, in milliseconds. */
const FIRST_PAUSE = 15 * MINUTE

type Reported = Pick<Suspect, 'datasetId' | 'sourceId' | 'path' | 'version'> &
  Pick<Suspect, 'what' | 'key' | 'name' | 'entry'>

/** What is known of an object that is to be looked at again. */
export function suspectOf(unit: Unit): Reported {
  const { place, version, what, key, name } = unit
  const { datasetId, sourceId, path } = place
  const entry = 'entry' in unit ? unit.entry : null
  return { datasetId, sourceId, path, version: version.number, what, key, name, entry }
}

/** The object again, at a place that still holds it. */
export function unitOf(suspect: Suspect, place: Unit['place'], version: DatasetVersion): Unit {
  const { what, key, name, entry } = suspect
  const base = { place, version, key, name }
  if (what === 'marker' || what === 'record' || what === 'manifest') return { ...base, what }
  return { ...base, what, entry: entry as ManifestEntry }
}

/** Has an object looked at as soon as the scrub runs. One that was reported already keeps its turn. */
export async function report(records: JsonRecords, suspect: Reported): Promise<void> {
  const key = suspectKey(suspect)
  const found = await records.read<Suspect>(key)
  if (found !== undefined) return
  await records.write(key, { ...suspect, tries: 0, at: 0 }, null)
}

function suspectKey({ sourceId, path, key }: Pick<Suspect, 'sourceId' | 'path' | 'key'>): string {
  return `${SUSPECTS}${nameOf(sourceId, path, key)}`
}

/** All that were reported. */
export function suspects(records: JsonRecords): ReturnType<typeof records.all<Suspect>> {
  return records.all<Suspect>(SUSPECTS)
}

/** The same, to be looked at later: longer and longer, a day at most. */
export function later(suspect: Suspect, now: number): Suspect {
  const pause = Math.min(DAY, FIRST_PAUSE * 2 ** suspect.tries)
  return { ...suspect, tries: suspect.tries + 1, at: now + pause }
}
