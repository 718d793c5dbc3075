import {
  type DatasetReplica,
  type Events,
  hasCode,
  type StorageAdapter,
  StowageError,
  toStowageError,
} from '@stowage/core'
import type { Sources } from '../sources/index.ts'

/** A replica as something to read from. */
export interface Place {
  sourceId: string
  adapter: () => Promise<StorageAdapter>
  /** The replica's path. */
  path: string
}

/** Replicas as places to read from. */
export function placesOf(sources: Sources, replicas: readonly Pick<DatasetReplica, 'sourceId' | 'path'>[]): Place[] {
  return replicas.map(({ sourceId, path }) => ({ sourceId, path, adapter: () => sources.adapter(sourceId) }))
}

/** A place that failed, and why. */
export interface Fault {
  sourceId: string
  error: StowageError
}

/**
 * Asks places in turn and gives the first good answer. Damage that a place shows on the way is told as an alert, by its name.
 * @throws StowageError with the last failure's code, naming every place and what was wrong there; `aborted`
 */
export async function firstOf<T>(
  places: readonly Place[],
  what: { name: string; key: string; datasetId?: string | undefined; events: Events },
  ask: (place: Place) => Promise<T>,
): Promise<T> {
  const faults: Fault[] = []
  for (const place of places) {
    const { sourceId } = place
    try {
      return await ask(place)
    } catch (thrown) {
      const error = toStowageError(thrown)
      if (error.code === 'aborted') throw error
      faults.push({ sourceId, error })
      if (!hasCode(error, 'integrity', 'not-found')) continue
      const { datasetId } = what
      what.events.emit('alert', {
        severity: 'warning',
        code: error.code,
        message: `${what.name} is damaged or missing on "${sourceId}": ${error.message}`,
        sourceId,
        ...(datasetId === undefined ? {} : { datasetId }),
      })
    }
  }
  throw allFailed(what.name, what.key, faults)
}

/** What to throw when every place failed: it names each and says why. */
export function allFailed(name: string, key: string, faults: readonly Fault[]): StowageError {
  const last = faults.at(-1)
  if (last === undefined) return new StowageError('no-source', 'No source holds a copy that can be read.', { key })
  const why = faults.map(({ sourceId, error }) => `${sourceId}: ${error.message}`)
  const { code, hint, retryable } = last.error
  return new StowageError(code, `${name} cannot be read. ${[...new Set(why)].join(' ')}`, {
    key,
    sourceId: last.sourceId,
    cause: last.error,
    retryable,
    ...(hint === undefined ? {} : { hint }),
  })
}
