import {
  type DatasetReplica,
  type Events,
  hasCode,
  type StorageAdapter,
  StowageError,
  systemClock,
  toStowageError,
} from '@stowage/core'
import type { Sources } from '../sources/index.ts'
import type { Patience } from './read/patience.ts'
import type { OnBad } from './read/suspect.ts'
import { limitsOf, watchedBytes } from './read/watched-get.ts'

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

/** What places are asked for. */
export interface Asked {
  /** What it is called for people. */
  name: string
  key: string
  datasetId?: string | undefined
  events: Events
  /** Leaves a place that is silent while another one is left. @defaultValue each place has the time that its own limits give it */
  patience?: Patience | undefined
  /** Told of each place that failed. */
  onBad?: OnBad | undefined
}

/** Gives the bytes of an object of a place, by its key relative to the place's path. */
export type GetBytes = (key: string, signal?: AbortSignal) => AsyncIterable<Uint8Array>

/**
 * Asks places in turn and gives the first good answer. Damage that a place shows on the way is told as an alert, by its name.
 * @throws StowageError with the last failure's code, naming every place and what was wrong there; `aborted`
 */
export async function firstOf<T>(
  places: readonly Place[],
  asked: Asked,
  ask: (place: Place, bytes: GetBytes) => Promise<T>,
): Promise<T> {
  const { patience } = asked
  const order = patience === undefined ? [...places] : patience.setbacks.order(places)
  const faults: Fault[] = []
  /** Those that were left since they were silent have all the time there is once nothing else is left. */
  const silent: Place[] = []
  for (let place = order.shift(); place !== undefined; place = order.shift() ?? silent.shift()) {
    const { sourceId } = place
    const limited = order.length > 0
    try {
      const answer = await ask(place, bytesOf(place, patience, limited))
      patience?.setbacks.clear(sourceId)
      return answer
    } catch (thrown) {
      const error = toStowageError(thrown)
      if (error.code === 'aborted') throw error
      if (limited && patience !== undefined && error.code === 'timeout') {
        patience.onSilent(sourceId)
        silent.push(place)
        continue
      }
      if (error.code === 'unavailable') patience?.setbacks.noteHere(sourceId, error.code)
      faults.push({ sourceId, error })
      asked.onBad?.(sourceId, error, asked.key)
      if (hasCode(error, 'integrity', 'not-found')) warn(asked, sourceId, error)
    }
  }
  throw allFailed(asked.name, asked.key, faults)
}

function bytesOf(place: Place, patience: Patience | undefined, limited: boolean): GetBytes {
  return (key, signal) =>
    watchedBytes(place, place.path + key, {
      limits: patience?.limits ?? limitsOf(),
      clock: patience?.clock ?? systemClock,
      limited: limited && patience !== undefined,
      ...(signal === undefined ? {} : { signal }),
    })
}

function warn({ name, datasetId, events }: Asked, sourceId: string, error: StowageError): void {
  events.emit('alert', {
    severity: 'warning',
    code: error.code,
    message: `${name} is damaged or missing on "${sourceId}": ${error.message}`,
    sourceId,
    ...(datasetId === undefined ? {} : { datasetId }),
  })
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
