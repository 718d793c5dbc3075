import {
  ancestorsOf,
  type Clock,
  formatLocation,
  hasCode,
  type Location,
  locationsOverlap,
  type Random,
  StowageError,
} from '@stowage/core'
import pLimit from 'p-limit'
import { retry } from '../flow/index.ts'
import { ROOT_MARKER, type Side } from '../plan/index.ts'
import type { ResolvedOptions } from './options.ts'
import { managed } from './sides.ts'

/** How long the question for a managed root may stay without an answer, in milliseconds. */
const longestSilenceMs = 60_000

/**
 * Refuses folders that are the same or lie inside one another, whatever their sources are called.
 * @throws StowageError `unsafe`
 */
export async function refuseOverlap({ from, to }: ResolvedOptions): Promise<void> {
  if (!(await locationsOverlap(from, to))) return
  throw new StowageError('unsafe', `${formatLocation(from)} and ${formatLocation(to)} overlap.`, {
    field: 'to',
    sourceId: to.adapter.id,
    hint: 'Sync between folders of which neither lies inside the other.',
  })
}

/**
 * Looks for the marker of a managed root in the folder that is written to and in all folders above it; two-way, in both.
 * @throws StowageError `unsafe` when there is one; the store's error when it cannot be asked
 */
export async function refuseManaged(
  options: ResolvedOptions,
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  if (!options.managedCheck) return
  const sides: readonly Side[] = options.twoWay ? ['from', 'to'] : ['to']
  await Promise.all(sides.map((side) => refuseManagedSide(options, side, clock, random, signal)))
}

async function refuseManagedSide(
  options: ResolvedOptions,
  side: Side,
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  await refuseMarkers(options, side, ancestorsOf(options[side].prefix), clock, random, signal)
}

/**
 * Looks for the marker of a managed root in the folders between the target's prefix and some keys, where no listing would show it.
 * @throws StowageError `unsafe` when there is one; the store's error when it cannot be asked
 */
export async function refuseManagedBelow(
  options: ResolvedOptions,
  keys: readonly string[],
  { clock, random }: { clock: Clock; random: Random },
  signal: AbortSignal,
): Promise<void> {
  if (!options.managedCheck) return
  const folders = new Set<string>()
  for (const key of keys)
    for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1))
      folders.add(options.to.prefix + key.slice(0, slash + 1))
  await refuseMarkers(options, 'to', [...folders], clock, random, signal)
}

async function refuseMarkers(
  options: ResolvedOptions,
  side: Side,
  folders: readonly string[],
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const location = options[side]
  const limit = pLimit(8)
  const patienceMs = Math.min(Math.max(options.outageMs, 1000), longestSilenceMs)
  await Promise.all(
    folders.map((folder) =>
      limit(async () => {
        const marker = folder + ROOT_MARKER
        try {
          await answered(patienceMs, clock, signal, (held) =>
            retry(() => location.adapter.head(marker, { signal: held }), {
              clock,
              random,
              signal: held,
              attempts: 4,
              backoff: { baseMs: 500, maxMs: 5000 },
            }),
          )
        } catch (error) {
          if (hasCode(error, 'not-found', 'invalid-key')) return
          throw asked(location, side, error)
        }
        throw managed(location, side, marker)
      }),
    ),
  )
}

/**
 * Waits no longer than this for the answer to a small question. An adapter waits for a store that takes requests and is silent as long as
 * a slow one may need, with every try; here that would add up to many minutes in which nothing was begun yet.
 * @throws StowageError `timeout`
 */
async function answered<T>(
  ms: number,
  clock: Clock,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const done = new AbortController()
  const silent = clock.sleep(ms, AbortSignal.any([signal, done.signal])).then(
    () => late.abort(),
    () => undefined,
  )
  try {
    return await ask(AbortSignal.any([signal, late.signal]))
  } catch (error) {
    if (!late.signal.aborted || signal.aborted) throw error
    throw new StowageError('timeout', `no answer for ${ms / 1000} s.`, { cause: error, retryable: true })
  } finally {
    done.abort()
    await silent
  }
}

/** A store that hides what lies below an object lists such a folder as empty; that must not look like a source that was emptied. */
export async function refuseHidden(options: ResolvedOptions, signal: AbortSignal, side: Side = 'from'): Promise<void> {
  const { adapter, prefix } = options[side]
  if (prefix === '' || adapter.capabilities.keys.objectAndFolder) return
  const object = prefix.slice(0, -1)
  try {
    await adapter.head(object, { signal })
  } catch (error) {
    if (hasCode(error, 'not-found', 'invalid-key')) return
    throw error
  }
  throw new StowageError(
    'unsafe',
    `The ${side === 'from' ? 'source' : 'target'} has an object "${object}", which may hide the folder "${prefix}". Nothing was deleted.`,
    {
      field: side,
      sourceId: adapter.id,
      hint: 'Move the object or the folder, so that the store can list it.',
    },
  )
}

function asked({ adapter }: Location, side: Side, error: unknown): unknown {
  if (!StowageError.isInstance(error) || error.code === 'aborted') return error
  return new StowageError(
    error.code,
    `The ${side === 'from' ? 'source' : 'target'} ${adapter.id} cannot be asked for a managed root: ${error.message}`,
    {
      cause: error,
      retryable: error.retryable,
      field: side,
      sourceId: adapter.id,
      hint: error.hint ?? 'Run it again when the store answers.',
    },
  )
}

/**
 * Whether an error of `run` is a stop for safety: nothing was deleted, and what the caller asked for was not done. The command line ends
 * with exit code 3 then.
 */
export function isSafetyStop(error: unknown): error is StowageError {
  if (!StowageError.isInstance(error) || error.code === 'configuration') return false
  return error.code === 'unsafe' || error.code === 'lease-held' || error.field === 'from' || error.field === 'to'
}
