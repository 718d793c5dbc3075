import { hasCode, throwIfAborted } from '@stowage/core'
import { cancelRequested, PairLease, pairKeys } from '../state/index.ts'
import { dryRun } from './dry-run.ts'
import { help, isOver, tooLate } from './help.ts'
import { Run } from './lead.ts'
import { runNamed } from './named.ts'
import { type ResolvedOptions, resolveOptions, type SyncOptions, type SyncResult } from './options.ts'
import { refuseOtherOrder } from './other-order.ts'
import { refuseManaged, refuseOverlap } from './safety.ts'
import type { Engine } from './shared.ts'

/**
 * One run of a sync: it leads the task, or helps the run that does.
 * @throws StowageError when the run stopped for safety (see {@link isSafetyStop}), was misused, or lost its lease
 */
export async function runSync(engine: Engine, given: SyncOptions): Promise<SyncResult> {
  const options = resolveOptions(given)
  const signal = options.signal ?? new AbortController().signal
  throwIfAborted(signal)
  // One that is to be cancelled only throws away what it had begun, wherever that lies.
  const cancelled = await isCancelled(engine, options, signal)
  if (!cancelled) {
    await refuseOverlap(options)
    await refuseManaged(options, engine.records.clock, engine.records.random, signal)
    await refuseOtherOrder(engine.records, options, signal)
  }
  if (options.dryRun) return await dryRun(engine, options)
  const keys = pairKeys(options)
  if (options.keys !== undefined) return await runNamed(engine, options, keys, cancelled)
  for (;;) {
    const lease = await PairLease.acquire(engine.records, keys.state, engine.owner, signal).catch((error: unknown) => {
      if (options.join && hasCode(error, 'lease-held')) return undefined
      throw error
    })
    if (lease === undefined) {
      const helped = await help(engine, options, keys)
      if (helped !== undefined) return helped
      continue
    }
    if (options.join && options.taskId !== undefined) {
      let over = true
      try {
        over = await isOver(engine, options.taskId)
      } finally {
        // What was to be helped with has just ended.
        if (over) await lease.release((state) => ({ ...state, clean: lease.inherited.clean }))
      }
      if (over) return tooLate(engine, options, keys, options.taskId)
    }
    const run = new Run(engine, options, keys, lease)
    try {
      // It was not checked, so it must not become one that works when the request is taken back meanwhile.
      if (cancelled) run.cancel()
      return await run.perform()
    } finally {
      await run.close()
    }
  }
}

async function isCancelled(
  { records }: Engine,
  { taskId, dryRun }: ResolvedOptions,
  signal: AbortSignal,
): Promise<boolean> {
  return taskId !== undefined && !dryRun && (await cancelRequested(records, taskId, signal))
}
