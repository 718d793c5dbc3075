import { formatLocation, hasCode, StowageError } from '@stowage/core'
import { type PairLease, type Records, waitQuiet } from '../state/index.ts'
import { patient } from '../transfer/index.ts'
import { overCount, withinCount } from './delete-count.ts'
import { refuseHidden } from './safety.ts'
import type { Shared } from './shared.ts'

/**
 * Deletes objects of the target that the source was just seen not to have. Together with those of earlier runs of named keys they stay within the
 * share of what the ledger knows, as it was when everything was last looked at.
 *
 * @returns the keys that are gone
 * @throws StowageError `unsafe` when that share would be passed, or the source is empty; nothing was deleted
 */
export async function deleteNamed(
  shared: Shared,
  lease: PairLease,
  records: Records,
  keys: readonly string[],
): Promise<string[]> {
  const { options, outcome, stop, transfers } = shared
  const { adapter, prefix } = options.to
  const { done, rest, namedDeletes, quietUntil } = lease.state
  const known = [...done, ...rest].reduce((sum, ref) => sum + ref.count, 0)
  if (known === 0) {
    outcome.warn(`${keys.length} objects were not deleted: no run has looked at everything yet.`)
    return []
  }
  const before = known + namedDeletes
  const share = options.maxDeletePercent / 100
  if (!withinCount(options, namedDeletes + keys.length))
    throw overCount(options, options.to, namedDeletes + keys.length)
  if (namedDeletes + keys.length > before * share) throw tooMany(shared, namedDeletes + keys.length, before)
  await refuseEmptied(shared)
  await waitQuiet(records, quietUntil, stop.signal)
  // Counted before they go: what a crash leaves uncounted would add up.
  await lease.commit((state) => ({ ...state, namedDeletes: state.namedDeletes + keys.length }))
  const gone: string[] = []
  const left = new Set(keys.map((key) => prefix + key))
  const forget = (key: string): void => {
    left.delete(key)
    gone.push(key.slice(prefix.length))
    transfers.progress.objects.deleted++
  }
  const fail = (key: string, error: StowageError): void => {
    left.delete(key)
    transfers.progress.objects.failed++
    outcome.failed(key.slice(prefix.length), error)
  }
  try {
    await patient(transfers, stop.signal, async () => {
      lease.check()
      const { deleted, failed } = await adapter.deleteMany([...left], { signal: stop.signal })
      for (const key of deleted) if (left.has(key)) forget(key)
      const again = failed.find(({ error }) => error.retryable)
      if (again !== undefined) throw again.error
      for (const { key, error } of failed) fail(key, error)
    })
  } catch (error) {
    if (stop.signal.aborted || !StowageError.isInstance(error) || hasCode(error, 'lease-lost')) throw error
    for (const key of [...left]) fail(key, error)
  }
  return gone
}

/** A bucket that is gone, or a folder that was emptied, answers for each key that it does not have it. */
async function refuseEmptied({ options, stop }: Shared): Promise<void> {
  const { adapter, prefix } = options.from
  for await (const page of adapter.list({ prefix, pageSize: 1, signal: stop.signal })) {
    if (page.objects.length > 0) return
  }
  await refuseHidden(options, stop.signal)
  if (options.allowEmpty) return
  throw new StowageError(
    'unsafe',
    `The source ${formatLocation(options.from)} is empty, the target is not. Nothing was deleted.`,
    {
      field: 'from',
      sourceId: adapter.id,
      hint: 'If the source is meant to be empty, run the whole sync with --allow-empty.',
    },
  )
}

function tooMany({ options }: Shared, count: number, of: number): StowageError {
  return new StowageError(
    'unsafe',
    `${count} of ${of} objects in ${formatLocation(options.to)} would be deleted one by one, more than ${options.maxDeletePercent}%. Nothing was deleted.`,
    { field: 'maxDeletePercent', sourceId: options.to.adapter.id, hint: 'If that is meant, run the whole sync.' },
  )
}
