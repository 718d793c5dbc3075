import {
  ancestorsOf,
  type Clock,
  formatLocation,
  hasCode,
  locationsOverlap,
  type Random,
  StowageError,
} from '@stowage/core'
import pLimit from 'p-limit'
import { retry } from '../flow/index.ts'
import { ROOT_MARKER } from '../plan/index.ts'
import type { ResolvedOptions } from './options.ts'
import { managed } from './sides.ts'

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
 * Looks for the marker of a managed root in the target's folder and in all folders above it.
 * @throws StowageError `unsafe` when there is one; the store's error when it cannot be asked
 */
export async function refuseManaged(
  options: ResolvedOptions,
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  if (!options.managedCheck) return
  const { to } = options
  const limit = pLimit(8)
  await Promise.all(
    ancestorsOf(to.prefix).map((folder) =>
      limit(async () => {
        const marker = folder + ROOT_MARKER
        const exists = () => to.adapter.head(marker, { signal })
        try {
          await retry(exists, { clock, random, signal, attempts: 4, backoff: { baseMs: 500, maxMs: 5000 } })
        } catch (error) {
          if (hasCode(error, 'not-found', 'invalid-key')) return
          throw asked(options, error)
        }
        throw managed(to, marker)
      }),
    ),
  )
}

/** A store that hides what lies below an object lists such a folder as empty; that must not look like a source that was emptied. */
export async function refuseHidden(options: ResolvedOptions, signal: AbortSignal): Promise<void> {
  const { adapter, prefix } = options.from
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
    `The source has an object "${object}", which may hide the folder "${prefix}". Nothing was deleted.`,
    {
      field: 'from',
      sourceId: adapter.id,
      hint: 'Move the object or the folder, so that the store can list it.',
    },
  )
}

function asked({ to }: ResolvedOptions, error: unknown): unknown {
  if (!StowageError.isInstance(error) || error.code === 'aborted') return error
  return new StowageError(
    error.code,
    `The target ${to.adapter.id} cannot be asked for a managed root: ${error.message}`,
    {
      cause: error,
      retryable: error.retryable,
      field: 'to',
      sourceId: to.adapter.id,
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
