import { hasCode, StowageError } from '@stowage/core'
import {
  createTasks,
  decodePair,
  isHeld,
  type PairKeys,
  type PairState,
  Partitions,
  readRecord,
  storeNow,
  UploadLog,
} from '../state/index.ts'
import { Background } from './background.ts'
import { Blocked } from './blocked.ts'
import { noCounts } from './counts.ts'
import { intentOf } from './intent.ts'
import { Lanes } from './lanes.ts'
import type { ResolvedOptions, SyncResult } from './options.ts'
import { type Engine, partitionLimits, resultOf, type Shared, shared } from './shared.ts'

/** How often to look whether the run that has the task made partitions, in milliseconds. */
const lookMs = 1000

/**
 * Works on partitions of a task that another run has.
 * @returns `undefined` when nobody has the task any more, and it is not at its end
 * @throws StowageError `lease-held` when the other run was asked for something else; of a listing that failed, `unsafe`
 */
export async function help(engine: Engine, options: ResolvedOptions, keys: PairKeys): Promise<SyncResult | undefined> {
  const { records, owner } = engine
  const signal = options.signal ?? new AbortController().signal
  const look = async (ended: AbortSignal): Promise<{ pair: PairState; led: boolean } | undefined> => {
    const found = await readRecord(records, keys.state, ended)
    const pair = found === undefined ? undefined : decodePair(keys.state, found.value)
    if (pair === undefined) return undefined
    return { pair, led: isHeld(pair.lease, owner, await storeNow(records, ended)) }
  }
  let seen = await look(signal)
  const taskId = options.taskId ?? seen?.pair.taskId ?? records.random.id(records.clock.now())
  const helper = bystander(engine, options, keys, taskId)
  const unfinished = (): boolean => seen !== undefined && seen.pair.phase !== 'idle' && !seen.led
  // It may turn out to be large yet.
  while (seen?.led && seen.pair.phase === 'copying' && seen.pair.partitioning === null) {
    if (seen.pair.intent !== '' && seen.pair.intent !== intentOf(options)) throw otherWish()
    const before = seen.pair.taskId
    await records.clock.sleep(lookMs, signal).catch(() => undefined)
    if (signal.aborted) return resultOf(helper, taskId, 'paused')
    seen = await look(signal)
    if (before !== null && seen?.pair.taskId !== before) return resultOf(helper, taskId, 'helped')
  }
  const partitioning = seen?.pair.partitioning ?? null
  if (partitioning === null || partitioning.closing || !seen?.led)
    return unfinished() ? undefined : resultOf(helper, taskId, 'helped')
  if (seen.pair.intent !== intentOf(options)) throw otherWish()
  const led = seen.pair.taskId
  const { stop, transfers } = helper
  transfers.progress.phase = 'copying'
  const lanes = new Lanes({
    records,
    keys,
    shared: helper,
    partitions: new Partitions(records, keys, owner, partitioning.first),
    blocked: options.delete ? new Blocked() : undefined,
    sharers: options.lanes,
    splitKeys: (engine.partitioning ?? partitionLimits).splitKeys,
    counts: noCounts(),
    onPartitions: options.onPartitions,
  })
  const background = new Background({
    records,
    shared: helper,
    taskId,
    frontiers: () => lanes.frontiers,
    advanced: () => lanes.moved,
    tick: async (ended) => {
      const now = (await look(ended))?.pair.partitioning
      if (now?.first !== partitioning.first || now.closing) stop.now({ kind: 'closed' })
      await lanes.grantWish(ended)
      await lanes.tell()
    },
  })
  background.start()
  let gone = false
  try {
    await lanes.work(stop.signal)
  } catch (error) {
    // The records go when the task is closed.
    gone = hasCode(error, 'not-found') && error.key?.startsWith(keys.parts) === true
    // What was asked of the store when it was stopped fails as aborted.
    const stopped = stop.reason !== undefined && stop.reason.kind !== 'failed' && hasCode(error, 'aborted')
    if (!gone && !stopped) throw error
  } finally {
    await background.end()
  }
  transfers.progress.flush()
  const reason = gone ? undefined : stop.reason
  if (reason?.kind === 'failed')
    return { ...resultOf(helper, taskId, 'failed'), error: helper.outcome.told(reason.error) }
  if (reason?.kind === 'time' || reason?.kind === 'signal') return resultOf(helper, taskId, 'paused')
  if (reason?.kind === 'cancel') return resultOf(helper, taskId, 'cancelled')
  seen = await look(signal)
  // Whoever led it may have died. One that was cancelled, or failed, is not gone on with.
  return unfinished() && seen?.pair.taskId === led ? undefined : resultOf(helper, taskId, 'helped')
}

/** Whether the task has ended by its own record: it is not begun anew by who came to help. */
export async function isOver({ records }: Engine, taskId: string): Promise<boolean> {
  const status = (await createTasks(records).get(taskId))?.status
  return status === 'success' || status === 'failed' || status === 'cancelled'
}

/** What a run is made of that came too late to do anything. */
export function tooLate(engine: Engine, options: ResolvedOptions, keys: PairKeys, taskId: string): SyncResult {
  return resultOf(bystander(engine, options, keys, taskId), taskId, 'helped')
}

/** A run without the lease of the pair. */
function bystander(engine: Engine, options: ResolvedOptions, keys: PairKeys, taskId: string): Shared {
  const { records } = engine
  const signal = options.signal ?? new AbortController().signal
  return shared(engine, options, taskId, new UploadLog({ records, keys, signal, confirm: async () => {} }))
}

function otherWish(): StowageError {
  return new StowageError('lease-held', 'Another run is working on this sync, and was asked for something else.', {
    hint: 'Only a run with the same options can join it. Wait for it to end.',
  })
}
