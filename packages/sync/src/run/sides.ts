import { type Location, StowageError } from '@stowage/core'
import { isOwnKey, isRootMarker, listGiven, listSide, type PlannedObject, type Side } from '../plan/index.ts'
import type { PassCounts } from './counts.ts'
import type { ResolvedOptions, SourceObject } from './options.ts'
import type { Shared } from './shared.ts'

/**
 * Lists the source, or takes the caller's listing, without what the filters leave out.
 * @throws StowageError `unsafe` when a managed root lies in it and it is written to as well
 */
export async function* listFrom(
  context: Shared,
  after: string,
  signal: AbortSignal,
  counts: Pick<PassCounts, 'problems' | 'unlisted'>,
): AsyncGenerator<PlannedObject[]> {
  const { options, filter } = context
  if (options.objects !== undefined) {
    for await (const page of listGiven(planned(options.objects(after)), after, options.from))
      yield page.filter((row) => filter(row.key))
    return
  }
  let ownSeen = false
  for await (const page of listed(context, 'from', options.from, after, signal, counts)) {
    if (options.twoWay) refuseMarkers(options, 'from', page)
    const rows = page.filter((row) => filter(row.key) && !isOwnKey(row.key))
    if (!ownSeen && rows.length < page.length && page.some((row) => isOwnKey(row.key))) {
      ownSeen = true
      context.outcome.warn('Objects in ".stowage/" folders of the source are Stowage\'s own and were left out.')
    }
    yield rows
  }
}

/**
 * Lists the target, without what the filters leave out.
 * @throws StowageError `unsafe` when a managed root lies in it
 */
export async function* listTo(
  context: Shared,
  after: string,
  signal: AbortSignal,
  counts: Pick<PassCounts, 'problems' | 'unlisted'>,
): AsyncGenerator<PlannedObject[]> {
  const { options, filter } = context
  const given = options.objects !== undefined
  for await (const page of listed(context, 'to', options.to, after, signal, counts)) {
    refuseMarkers(options, 'to', page)
    yield page.filter((row) => filter(row.key) && (given || !isOwnKey(row.key)))
  }
}

/** Asks a side for a key that lies below this one as if it were a folder. */
export async function askBelow(
  { options, filter, transfers }: Shared,
  side: Side,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { clock, random } = transfers
  const location = { adapter: options[side].adapter, prefix: `${options[side].prefix}${key}/` }
  for await (const page of listSide({ location, side, after: '', clock, random, signal })) {
    for (const row of page) {
      const found = `${key}/${row.key}`
      if (filter(found) && (options.objects !== undefined || !isOwnKey(found))) return found
    }
  }
  return undefined
}

function refuseMarkers(options: ResolvedOptions, side: Side, page: readonly PlannedObject[]): void {
  if (!options.managedCheck) return
  const marker = page.find(({ key }) => isRootMarker(key))
  if (marker !== undefined) throw managed(options[side], side, options[side].prefix + marker.key)
}

function listed(
  { options, transfers, outcome }: Shared,
  side: Side,
  location: Location,
  after: string,
  signal: AbortSignal,
  counts: Pick<PassCounts, 'problems' | 'unlisted'>,
): AsyncIterable<PlannedObject[]> {
  return listSide({
    location,
    side,
    after,
    signal,
    clock: transfers.clock,
    random: transfers.random,
    onSkipped: (entry) => {
      const where = side === 'from' ? 'the source' : 'the target'
      if (entry.severity === 'ignored') return outcome.warn(`Left out in ${where}: "${entry.name}" ${entry.reason}.`)
      counts.problems++
      if (side === 'to' && !options.twoWay)
        return outcome.warn(`Not listed in ${where}: "${entry.name}" ${entry.reason}.`)
      counts.unlisted++
      transfers.progress.objects.failed++
      outcome.failed(entry.name, new StowageError('invalid-key', `Cannot be copied: ${entry.reason}.`))
    },
  })
}

async function* planned(pages: AsyncIterable<readonly SourceObject[]>): AsyncGenerator<PlannedObject[]> {
  for await (const page of pages) {
    yield page.map((object) => {
      const etag = object.etag ?? (object.digest === undefined ? undefined : `sha256:${object.digest}`)
      if (etag === undefined) {
        throw new StowageError('invalid-request', `"${object.key}" has neither an etag nor a digest.`, {
          key: object.key,
          field: 'objects',
        })
      }
      return { ...object, etag }
    })
  }
}

/** The refusal of a side that a catalog manages. */
export function managed(location: Location, side: Side, marker: string): StowageError {
  const name = side === 'from' ? 'source' : 'target'
  return new StowageError(
    'unsafe',
    `The ${name} has a managed root ("${marker}"); a plain sync must not write there.`,
    {
      field: side,
      sourceId: location.adapter.id,
      hint: 'Publish or replicate datasets instead, or choose another folder. Nothing was deleted.',
    },
  )
}
