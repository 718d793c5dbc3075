import {
  type Clock,
  compareKeys,
  formatLocation,
  type ListPage,
  type Location,
  type Random,
  type SkippedEntry,
  StowageError,
  toStowageError,
} from '@stowage/core'
import { backoffMs } from '../flow/index.ts'
import { bareEtag } from './etag.ts'

/** One object of a side, its key relative to the side's prefix. */
export interface PlannedObject {
  key: string
  /** bytes */
  size: number
  etag: string
  /** What the bytes must be, where the caller knows. */
  digest?: string
  contentType?: string
  /** Milliseconds since the epoch, as the store tells it. */
  lastModified?: number
}

export type Side = 'from' | 'to'

/** What {@link listSide} needs. */
export interface ListingOptions {
  location: Location
  side: Side
  /** Only keys above this, relative to the prefix; empty: all. */
  after: string
  clock: Clock
  random: Random
  signal: AbortSignal
  onSkipped?: (entry: SkippedEntry, side: Side) => void
}

/** A listing that makes no headway is given up after this long, in milliseconds. */
const patienceMs = 45_000
const tries = 6
const emptyPages = 1000
const backoff = { baseMs: 500, maxMs: 10_000 }

/**
 * Lists one side in order, and goes on behind the last key when a page fails. It ends only when the store said so: every doubt is an
 * error, since a listing that ends early would look like objects that are gone.
 *
 * @throws StowageError with `field` `from` or `to`: the store's code when it could not be listed, `unsafe` when keys came out of order
 */
export async function* listSide(options: ListingOptions): AsyncGenerator<PlannedObject[]> {
  const { location, clock, random, signal } = options
  let last = options.after === '' ? undefined : options.after
  let failures = 0
  let failingSince = 0
  for (;;) {
    try {
      let empty = 0
      const from = last === undefined ? {} : { startAfter: location.prefix + last }
      for await (const page of location.adapter.list({ prefix: location.prefix, ...from, signal })) {
        const rows = checkedRows(page, last, options)
        last = rows.at(-1)?.key ?? last
        for (const entry of page.skipped ?? []) options.onSkipped?.(entry, options.side)
        empty = page.objects.length === 0 ? empty + 1 : 0
        if (empty > emptyPages) throw unsafe(options, `gives empty pages without end`)
        if (rows.length === 0) continue
        failures = 0
        // The folder's own marker (a key equal to the prefix) is the folder, not something in it.
        yield rows[0]?.key === '' ? rows.slice(1) : rows
      }
      return
    } catch (thrown) {
      const error = toStowageError(thrown, signal)
      if (signal.aborted || error.field === options.side) throw error
      if (failures === 0) failingSince = clock.now()
      failures++
      if (!error.retryable || failures >= tries || clock.now() - failingSince >= patienceMs)
        throw failed(options, error)
      await clock.sleep(backoffMs(failures, backoff, random, Math.min(error.retryAfterMs ?? 0, patienceMs)), signal)
    }
  }
}

function checkedRows(page: ListPage, after: string | undefined, options: ListingOptions): PlannedObject[] {
  const { prefix } = options.location
  let last = after
  return page.objects.map((object) => {
    if (!object.key.startsWith(prefix)) throw unsafe(options, `gave "${object.key}", which is not below "${prefix}"`)
    const key = object.key.slice(prefix.length)
    if (last !== undefined && compareKeys(key, last) <= 0)
      throw unsafe(options, `is unordered: "${key}" came after "${last}"`)
    last = key
    return { key, size: object.size, etag: bareEtag(object.etag), lastModified: object.lastModified }
  })
}

/** The caller's own listing of the source, checked in the same way. */
export async function* listGiven(
  pages: AsyncIterable<readonly PlannedObject[]>,
  after: string,
  location: Location,
): AsyncGenerator<PlannedObject[]> {
  let last: string | undefined
  for await (const page of pages) {
    for (const { key } of page) {
      if (last !== undefined && compareKeys(key, last) <= 0) {
        throw unsafe({ location, side: 'from' }, `is unordered: "${key}" came after "${last}"`)
      }
      last = key
    }
    const rows = after === '' ? [...page] : page.filter((row) => compareKeys(row.key, after) > 0)
    if (rows.length > 0) yield rows
  }
}

function name(side: Side, location: Location): string {
  return `the ${side === 'from' ? 'source' : 'target'} ${formatLocation(location)}`
}

function unsafe({ side, location }: Pick<ListingOptions, 'side' | 'location'>, what: string): StowageError {
  return new StowageError('unsafe', `The listing of ${name(side, location)} ${what}.`, {
    field: side,
    sourceId: location.adapter.id,
    hint: 'Nothing was deleted. The store, or something before it, does not list as object stores do.',
  })
}

function failed({ side, location }: ListingOptions, error: StowageError): StowageError {
  return new StowageError(error.code, `Listing ${name(side, location)} failed: ${error.message}`, {
    cause: error,
    retryable: error.retryable,
    field: side,
    sourceId: location.adapter.id,
    hint: error.hint ?? 'Run it again when the store can be listed.',
  })
}
