import { broughtOf, checkShares, emptiedBy } from '../reconcile/index.ts'
import { backwards, decodePair, IntentLog, pairKeys, readRecord, UploadLog } from '../state/index.ts'
import { Blocked } from './blocked.ts'
import { noCounts } from './counts.ts'
import { checkDeletes } from './deletes.ts'
import { wholeLedger } from './ledger-state.ts'
import type { ResolvedOptions, SyncResult } from './options.ts'
import { runPass, walkOver } from './pass.ts'
import { Planned } from './planned.ts'
import { rulesFor } from './rules.ts'
import { refuseHidden } from './safety.ts'
import { type Engine, resultOf, shared } from './shared.ts'

/** Counts what a run would do, without a lease, a task or a write anywhere. */
export async function dryRun(engine: Engine, options: ResolvedOptions): Promise<SyncResult> {
  const { records } = engine
  const keys = pairKeys(options)
  const taskId = options.taskId ?? records.random.id(records.clock.now())
  const signal = options.signal ?? new AbortController().signal
  const context = { records, signal, confirm: async () => {} }
  const twoWay = options.twoWay && {
    uploads: new UploadLog({ ...context, keys: backwards(keys) }),
    intents: new IntentLog(records, keys, 0, signal),
  }
  const run = shared(engine, options, taskId, new UploadLog({ ...context, keys }), twoWay || undefined)
  const { stop, transfers } = run
  const onSignal = (): void => stop.now({ kind: 'signal' })
  signal.addEventListener('abort', onSignal, { once: true })
  try {
    const found = await readRecord(records, keys.state, signal)
    const state = found === undefined ? undefined : decodePair(keys.state, found.value)
    const ledger = state === undefined ? nothing() : wholeLedger(records, keys, state, signal)
    const counts = noCounts()
    const blocked = options.delete ? new Blocked() : undefined
    await run.both?.intents.open()
    const planned = new Planned(options.onPlanned)
    const pass = { ...run, frontier: undefined, ledger, blocked, planned }
    await runPass(pass, rulesFor(pass, counts), walkOver(''), counts)
    if (stop.reason?.kind === 'failed') throw stop.reason.error
    const { objects } = transfers.progress
    if (run.both !== undefined && counts.extra + counts.extraBack === 0) blocked?.fail(objects, run.outcome)
    const failed = objects.failed + objects.conflicts > run.outcome.settledConflicts
    const deletes = options.delete && !stop.signal.aborted && !failed && counts.problems === 0
    // Before they are judged: who is told that they are too many wants to know which.
    const untold = deletes ? planned.tellDeletes() : 0
    if (untold > 0) run.outcome.warn(`${untold} more objects would be deleted, too many to be named one by one.`)
    if (deletes && run.both !== undefined) {
      const brought = broughtOf(state ?? { brought: 0, broughtBack: 0 })
      for (const side of emptiedBy(counts, brought)) await refuseHidden(options, signal, side === 'to' ? 'from' : 'to')
      checkShares(options, counts, brought)
      objects.deleted = counts.extra + counts.extraBack
    } else if (deletes) {
      if (counts.source === 0 && counts.extra > 0) await refuseHidden(options, signal)
      checkDeletes(options, counts, state?.brought ?? 0)
      objects.deleted = counts.extra
    }
    transfers.progress.listingDone = !stop.signal.aborted
    transfers.progress.flush()
    return resultOf(run, taskId, stop.signal.aborted ? 'paused' : failed ? 'failed' : 'success')
  } finally {
    signal.removeEventListener('abort', onSignal)
  }
}

async function* nothing(): AsyncGenerator<never> {}
