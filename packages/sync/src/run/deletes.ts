import { compareKeys, formatLocation, hasCode, StowageError, throwIfAborted } from '@stowage/core'
import pLimit from 'p-limit'
import { retry } from '../flow/index.ts'
import { FolderWatch, merge } from '../plan/index.ts'
import { findAbove } from './above.ts'
import { noCounts, type PassCounts } from './counts.ts'
import { overCount, withinCount } from './delete-count.ts'
import type { ResolvedOptions } from './options.ts'
import type { Shared } from './shared.ts'
import { listFrom, listTo } from './sides.ts'

/** Keys of one request. */
const batchKeys = 1000

/** How long keys are gathered for one request, in milliseconds: what is deleted should be what was just seen to be extra. */
const gatherMs = 10_000

/**
 * Whether no more than the number, and the share, that may be deleted is extra.
 * @param brought objects of the target that unfinished runs of the same sync put there: the share is one of what was there before them, too,
 * or else it would be enough to run a refused sync again
 */
export function withinShare(options: ResolvedOptions, counts: PassCounts, brought: number): boolean {
  const { maxDeletePercent } = options
  if (!withinCount(options, counts.extra)) return false
  // What was brought may be gone again by other hands: then it is no measure of what there is, and all may go in any case.
  if (maxDeletePercent >= 100) return true
  const share = maxDeletePercent / 100
  return counts.extra <= counts.target * share && counts.foreign <= Math.max(0, counts.target - brought) * share
}

/**
 * Refuses deletes that look like an accident.
 * @param brought see {@link withinShare}
 * @throws StowageError `unsafe`; nothing was deleted
 */
export function checkDeletes(options: ResolvedOptions, counts: PassCounts, brought: number): void {
  const { from, to, allowEmpty, maxDeletePercent } = options
  if (counts.extra === 0) return
  if (counts.source === 0 && !allowEmpty) {
    throw new StowageError(
      'unsafe',
      `The source ${formatLocation(from)} is empty, the target is not. Nothing was deleted.`,
      {
        field: 'from',
        sourceId: from.adapter.id,
        hint: 'If the source is meant to be empty, allow it (--allow-empty).',
      },
    )
  }
  if (!withinCount(options, counts.extra)) throw overCount(options, to, counts.extra)
  if (counts.source === 0 || withinShare(options, counts, brought)) return
  const overall = counts.extra > (counts.target * maxDeletePercent) / 100
  const [few, all] = overall ? [counts.extra, counts.target] : [counts.foreign, Math.max(0, counts.target - brought)]
  throw new StowageError(
    'unsafe',
    `${few} of ${all} objects in ${formatLocation(to)} would be deleted, more than ${maxDeletePercent}%. Nothing was deleted.`,
    { field: 'maxDeletePercent', sourceId: to.adapter.id, hint: 'If that is meant, raise the limit (--max-delete).' },
  )
}

/**
 * Walks over both sides once more and deletes what only the target has. What the first walk did not find extra, when it could remember,
 * stays; and never more goes than was agreed to.
 *
 * @param borders keys between which that may be done side by side
 */
export async function runDeletes(
  context: Shared,
  agreed: PassCounts,
  check: () => void,
  borders: readonly string[] = [],
): Promise<void> {
  const taken = { count: 0 }
  const ranges = ['', ...borders].map((lo, i) => ({ lo, hi: borders[i] }))
  const failures: unknown[] = []
  await pLimit(context.options.lanes).map(ranges, async ({ lo, hi }) => {
    try {
      if (failures.length === 0) await deleteRange(context, agreed, check, { lo, hi, taken, failures })
    } catch (error) {
      failures.push(error)
    }
  })
  if (failures.length > 0) throw failures[0]
  context.transfers.progress.flush()
}

/** Some of the keys, and what is shared with the others that are worked on at the same time. */
interface DeleteRange {
  lo: string
  hi: string | undefined
  taken: { count: number }
  failures: readonly unknown[]
}

/** Deletes what only the target has of some of the keys. */
async function deleteRange(
  context: Shared,
  agreed: PassCounts,
  check: () => void,
  { lo, hi, taken, failures }: DeleteRange,
): Promise<void> {
  const { options, stop, takesPart, transfers } = context
  const { keys } = options.from.adapter.capabilities
  const hidden = new FolderWatch(keys)
  const { clock } = transfers
  const signal = stop.signal
  if (!keys.objectAndFolder) for (const key of (await findAbove(context, lo, ['from'], signal)).from) hidden.next(key)
  const counts = noCounts()
  const sides = merge(listFrom(context, lo, signal, counts), listTo(context, lo, signal, counts), nothing())
  let batch: string[] = []
  let suspects = new Map<string, string>()
  let gatheredSince = 0
  const gathered = (): number => batch.length + suspects.size
  const flush = async (): Promise<void> => {
    batch.push(...(await notHidden(context, suspects)))
    suspects = new Map()
    if (batch.length === 0) return
    if (failures.length > 0) throw failures[0]
    if (taken.count + batch.length > agreed.extra) throw tooMany(context, agreed)
    if (counts.problems > 0) throw unknownEntries(context)
    taken.count += batch.length
    check()
    await deleteBatch(context, batch)
    batch = []
  }
  const flushInTime = async (ended: AbortSignal): Promise<void> => {
    if (gathered() === 0) return
    const left = gatheredSince + gatherMs - clock.now()
    // A sleep that is cut short: the next page is there in time.
    if (left <= 0) await flush()
    else await clock.sleep(left, ended).then(flush, () => undefined)
  }
  walk: for await (const page of whileWaiting(sides, flushInTime)) {
    for (const { key, source, target } of page) {
      throwIfAborted(signal)
      if (hi !== undefined && compareKeys(key, hi) > 0) break walk
      if (source !== undefined) hidden.next(key)
      else if (
        target !== undefined &&
        takesPart(target) &&
        (agreed.extraKeys === undefined || agreed.extraKeys.has(key))
      ) {
        if (gathered() === 0) gatheredSince = clock.now()
        const above = hidden.blocker(key)
        if (above === undefined) batch.push(key)
        else suspects.set(key, above)
      }
      if (gathered() >= batchKeys) await flush()
    }
  }
  await flush()
}

async function deleteBatch({ options, transfers, outcome, stop }: Shared, keys: readonly string[]): Promise<void> {
  const { adapter, prefix } = options.to
  const { progress } = transfers
  const left = new Set(keys.map((key) => prefix + key))
  try {
    await retry(
      async () => {
        const { deleted, failed } = await adapter.deleteMany([...left], { signal: stop.signal })
        for (const key of deleted) if (left.delete(key)) progress.objects.deleted++
        const again = failed.find(({ error }) => error.retryable)
        if (again !== undefined) throw again.error
        for (const { key, error } of failed) {
          left.delete(key)
          progress.objects.failed++
          outcome.failed(key.slice(prefix.length), error)
        }
      },
      {
        clock: transfers.clock,
        random: transfers.random,
        signal: stop.signal,
        attempts: options.maxAttempts,
        backoff: { baseMs: 500, maxMs: 10_000 },
        outage: transfers.outage,
        budget: transfers.budget,
      },
    )
  } catch (error) {
    if (stop.signal.aborted || !StowageError.isInstance(error) || hasCode(error, 'lease-lost')) throw error
    for (const key of left) {
      progress.objects.failed++
      outcome.failed(key.slice(prefix.length), error)
    }
  }
  progress.touch()
}

/**
 * Of keys that a listing of the source may leave out, since they lie below one of its objects, those that it does not have.
 * @param suspects each with that object
 */
async function notHidden(
  { options, outcome, stop, transfers }: Shared,
  suspects: Map<string, string>,
): Promise<string[]> {
  const { adapter, prefix } = options.from
  const { signal } = stop
  const { clock, random } = transfers
  const absent: string[] = []
  const look = async ([key, above]: [string, string]): Promise<void> => {
    try {
      await retry(() => adapter.head(prefix + key, { signal }), {
        clock,
        random,
        signal,
        attempts: options.maxAttempts,
        backoff: { baseMs: 500, maxMs: 10_000 },
        outage: transfers.outage,
        budget: transfers.budget,
      })
      outcome.warn(`"${key}" was not deleted: the source hides it behind its object "${above}".`)
    } catch (error) {
      if (!hasCode(error, 'not-found', 'invalid-key')) throw error
      absent.push(key)
    }
  }
  await pLimit(options.concurrency).map(suspects, look)
  return absent
}

/**
 * Hands on pages, and does something else while it waits for the next one.
 * @param meanwhile is told by the signal that the page is there; waited for in any case
 */
async function* whileWaiting<T>(
  pages: AsyncGenerator<T>,
  meanwhile: (ended: AbortSignal) => Promise<void>,
): AsyncGenerator<T> {
  try {
    for (;;) {
      const ended = new AbortController()
      const asked = pages.next().finally(() => ended.abort())
      const [next, other] = await Promise.allSettled([asked, meanwhile(ended.signal)])
      if (other.status === 'rejected') throw other.reason
      if (next.status === 'rejected') throw next.reason
      if (next.value.done) return
      yield next.value.value
    }
  } finally {
    await pages.return(undefined)
  }
}

async function* nothing(): AsyncGenerator<never> {}

function tooMany({ options }: Shared, agreed: PassCounts): StowageError {
  return new StowageError(
    'unsafe',
    `More than the ${agreed.extra} objects counted before would be deleted: the sides changed meanwhile.`,
    {
      field: 'to',
      sourceId: options.to.adapter.id,
      hint: 'Run it again.',
    },
  )
}

function unknownEntries({ options }: Shared): StowageError {
  return new StowageError(
    'unsafe',
    'A listing has entries that could not be read; nothing more is deleted beside them.',
    {
      field: 'from',
      sourceId: options.from.adapter.id,
    },
  )
}
