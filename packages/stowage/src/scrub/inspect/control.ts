import { hasCode, MARKER_KEY, type StorageAdapter, StowageError, toStowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { readSmall } from '../../datasets/objects.ts'
import { checkSmall } from '../copies/index.ts'
import type { ScrubPlace } from '../places/index.ts'

/** What a place looks like from outside. `gone`: nothing is there at all; `replaced`: something that is not this replica. */
export type PlaceLook =
  | { state: 'there' }
  | { state: 'gone' | 'replaced'; message: string }
  | { state: 'unreachable'; error: StowageError }

/**
 * Looks whether a place can be read, and is the one that it should be. A disk that is not mounted and a bucket that was emptied or exchanged
 * look like a replica whose every file is missing: they are told as one thing, and are not filled file by file.
 */
export async function lookAtPlace(context: Context, place: ScrubPlace, signal?: AbortSignal): Promise<PlaceLook> {
  const { sourceId, path } = place
  const [replica] = place.replicas
  if (replica === undefined) return { state: 'gone', message: 'It has no replica.' }
  let adapter: StorageAdapter
  try {
    adapter = await context.sources.adapter(sourceId)
  } catch (thrown) {
    return { state: 'unreachable', error: toStowageError(thrown, signal) }
  }
  const call = signal === undefined ? {} : { signal }
  let bytes: Uint8Array | undefined
  try {
    bytes = await readSmall(adapter, path + MARKER_KEY, signal)
  } catch (thrown) {
    const error = toStowageError(thrown, signal)
    if (error.code === 'aborted') throw error
    if (hasCode(error, 'bucket-not-found')) return { state: 'gone', message: error.message }
    if (!hasCode(error, 'not-found', 'integrity')) return { state: 'unreachable', error }
  }
  if (bytes !== undefined && (await isOurs(context, place, bytes))) return { state: 'there' }
  try {
    for await (const { objects } of adapter.list({ prefix: path, pageSize: 10, ...call })) {
      const other = objects.find(({ key }) => key !== path + MARKER_KEY)
      if (other === undefined) continue
      // Files are there: the marker alone is bad, unless it says whose they are.
      if (bytes === undefined || !isMarker(bytes)) return { state: 'there' }
      break
    }
  } catch (thrown) {
    const error = toStowageError(thrown, signal)
    if (error.code === 'aborted') throw error
    if (hasCode(error, 'bucket-not-found')) return { state: 'gone', message: error.message }
    return { state: 'unreachable', error }
  }
  if (bytes !== undefined && isMarker(bytes)) {
    return { state: 'replaced', message: `"${sourceId}:${path}" belongs to another catalog or dataset.` }
  }
  return { state: 'gone', message: `Nothing is left at "${sourceId}:${path}".` }
}

/** A marker that can be read: it may be another's. */
function isMarker(bytes: Uint8Array): boolean {
  try {
    const { catalogId, datasetId } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>
    return typeof catalogId === 'string' && typeof datasetId === 'string'
  } catch {
    return false
  }
}

async function isOurs(context: Context, place: ScrubPlace, bytes: Uint8Array): Promise<boolean> {
  const [replica] = place.replicas
  const version = await context.catalog.getVersion(place.datasetId, replica?.version ?? 0)
  if (version === undefined) return false
  try {
    await checkSmall(context, { place, version, what: 'marker', key: MARKER_KEY, name: 'the marker' }, bytes)
    return true
  } catch (error) {
    if (hasCode(error, 'integrity')) return false
    throw error
  }
}

/** Why a place could not be read at all, or not any more. */
export class PlaceUnreachable extends StowageError {
  constructor(error: StowageError, sourceId: string) {
    super(error.code, error.message, { cause: error, sourceId, retryable: true })
  }
}
