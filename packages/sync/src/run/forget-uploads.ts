import { type Location, type ObjectBounds, StowageError } from '@stowage/core'
import {
  backwards,
  createTasks,
  forgetCancel,
  type PairEnd,
  type PairKeys,
  PairLease,
  Partitions,
  pairKeys,
  saveTask,
  UploadLog,
} from '../state/index.ts'
import { discard } from '../transfer/index.ts'
import type { Engine } from './shared.ts'

/** Which sync's unfinished uploads are given up. Its source need not exist any more. */
export interface ForgetUploadsOptions extends ObjectBounds {
  /** The source by its id, or as it is, which a sync in both directions needs. */
  from: PairEnd | Location
  to: Location
  /** As the sync had them. @defaultValue none */
  include?: readonly string[]
  /** As the sync had them. @defaultValue none */
  exclude?: readonly string[]
  /** As the sync had it. @defaultValue false */
  twoWay?: boolean
  /** The task that began them: unless it has ended, it is marked as cancelled. When another one went on with them since, they stay. */
  taskId?: string
  signal?: AbortSignal
}

/**
 * Aborts the unfinished uploads of a sync that nobody will go on with, by their exact keys. Returns how many there were.
 * @throws StowageError `lease-held` when it is running, `configuration` when one of both directions does not have its source
 */
export async function forgetUploads(engine: Engine, options: ForgetUploadsOptions): Promise<number> {
  const { records, owner } = engine
  const { from, to, include = [], exclude = [], twoWay = false, taskId } = options
  if (twoWay && !isLocation(from)) throw noSource()
  const keys = pairKeys({ ...options, include, exclude })
  const lease = await PairLease.acquire(records, keys.state, owner, options.signal ?? new AbortController().signal)
  try {
    const signal = options.signal === undefined ? lease.signal : AbortSignal.any([lease.signal, options.signal])
    const confirm = () => lease.commit((state) => state)
    if (await isHelped(engine, keys, lease)) {
      await lease.release((state) => state)
      throw new StowageError('lease-held', 'Other workers still have partitions of this sync.', {
        hint: 'Wait for them to end, or for their leases to run out.',
      })
    }
    const current = lease.state.taskId
    if (taskId !== undefined && current !== null && current !== taskId) {
      await markCancelled(engine, taskId, lease.signal)
      await lease.release((state) => state)
      return 0
    }
    const sides = [{ to, keys }, ...(twoWay && isLocation(from) ? [{ to: from, keys: backwards(keys) }] : [])]
    let count = 0
    for (const side of sides) {
      const uploads = new UploadLog({ records, keys: side.keys, signal, confirm })
      await uploads.open()
      for await (const note of uploads.all()) {
        lease.check()
        await discard({ to: side.to, uploads }, note, signal)
        count++
      }
    }
    if (taskId !== undefined) await markCancelled(engine, taskId, lease.signal)
    await lease.release((state) => ({ ...state, taskId: null }))
    return count
  } finally {
    await lease.abandon()
  }
}

async function markCancelled({ records, events }: Engine, id: string, signal: AbortSignal): Promise<void> {
  const task = await createTasks(records).get(id)
  if (task !== undefined && !['success', 'failed', 'cancelled'].includes(task.status)) {
    const now = records.clock.now()
    const cancelled = { ...task, status: 'cancelled' as const, speed: 0, updatedAt: now, completedAt: now }
    await saveTask(records, cancelled, signal)
    events?.emit('task.state', cancelled)
  }
  await forgetCancel(records, id, signal)
}

function isLocation(end: PairEnd | Location): end is Location {
  return 'multipart' in end.adapter
}

function noSource(): StowageError {
  return new StowageError('configuration', 'A sync in both directions has unfinished uploads in its source too.', {
    field: 'from',
    hint: 'Give the source itself, not only its id.',
  })
}

/** Whether somebody works on a partition, though nobody leads. */
async function isHelped({ records, owner }: Engine, keys: PairKeys, lease: PairLease): Promise<boolean> {
  const { partitioning } = lease.state
  if (partitioning === null) return false
  const all = await new Partitions(records, keys, owner, partitioning.first).all(lease.signal)
  return all.some(({ held }) => held)
}
