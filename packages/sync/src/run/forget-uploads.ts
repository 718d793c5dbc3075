import { type Location, StowageError } from '@stowage/core'
import { type PairEnd, type PairKeys, PairLease, Partitions, pairKeys, UploadLog } from '../state/index.ts'
import { discard } from '../transfer/index.ts'
import type { Engine } from './shared.ts'

/** Which sync's unfinished uploads are given up. Its source need not exist any more. */
export interface ForgetUploadsOptions {
  from: PairEnd
  to: Location
  /** As the sync had them. @defaultValue none */
  include?: readonly string[]
  /** As the sync had them. @defaultValue none */
  exclude?: readonly string[]
  signal?: AbortSignal
}

/**
 * Aborts the unfinished uploads of a sync that nobody will go on with, by their exact keys. Returns how many there were.
 * @throws StowageError `lease-held` when it is running
 */
export async function forgetUploads(engine: Engine, options: ForgetUploadsOptions): Promise<number> {
  const { records, owner } = engine
  const { from, to, include = [], exclude = [] } = options
  const keys = pairKeys({ from, to, include, exclude })
  const lease = await PairLease.acquire(records, keys.state, owner, options.signal ?? new AbortController().signal)
  try {
    const signal = options.signal === undefined ? lease.signal : AbortSignal.any([lease.signal, options.signal])
    const uploads = new UploadLog({ records, keys, signal, confirm: () => lease.commit((state) => state) })
    if (await isHelped(engine, keys, lease)) {
      await lease.release((state) => state)
      throw new StowageError('lease-held', 'Other workers still have partitions of this sync.', {
        hint: 'Wait for them to end, or for their leases to run out.',
      })
    }
    await uploads.open()
    let count = 0
    for await (const note of uploads.all()) {
      lease.check()
      await discard({ to, uploads }, note, signal)
      count++
    }
    await lease.release((state) => ({ ...state, taskId: null }))
    return count
  } finally {
    await lease.abandon()
  }
}

/** Whether somebody works on a partition, though nobody leads. */
async function isHelped({ records, owner }: Engine, keys: PairKeys, lease: PairLease): Promise<boolean> {
  const { partitioning } = lease.state
  if (partitioning === null) return false
  const all = await new Partitions(records, keys, owner, partitioning.first).all(lease.signal)
  return all.some(({ held }) => held)
}
