import { type Events, type StowageError, throwIfAborted, toStowageError } from '@stowage/core'
import { RunStop } from '../flow/index.ts'
import { broughtOf, checkShares, emptiedBy, withinShares } from '../reconcile/index.ts'
import {
  backwards,
  cancelRequested,
  createTasks,
  deleteRecord,
  forgetCancel,
  IntentLog,
  LedgerWriter,
  type PairKeys,
  PairLease,
  type PairState,
  pairKeys,
  type Records,
  storeNow,
  UploadLog,
} from '../state/index.ts'
import { Blocked } from './blocked.ts'
import { noCounts, type PassCounts } from './counts.ts'
import { checkDeletes, runDeletes, withinShare } from './deletes.ts'
import { dryRun } from './dry-run.ts'
import { Frontier } from './frontier.ts'
import { intentOf } from './intent.ts'
import { joined, ledgerAbove, readAhead, readChunk, sweepLedger } from './ledger-state.ts'
import { type ResolvedOptions, resolveOptions, type SyncOptions, type SyncResult } from './options.ts'
import { refuseOtherOrder } from './other-order.ts'
import { runPass } from './pass.ts'
import { rulesFor } from './rules.ts'
import { refuseHidden, refuseManaged, refuseOverlap } from './safety.ts'
import { type AgreedDeletes, type Engine, resultOf, type Shared, shared } from './shared.ts'
import { sweepUploads } from './sweep-uploads.ts'
import { beginTask, TaskReport } from './task.ts'

/** How often a running task looks whether it was cancelled and writes its record, in milliseconds. */
const tickMs = 1000

/** Time between checkpoints, in milliseconds. */
const checkpointMs = 2000

/**
 * One run of a sync, from taking the lease to giving it back.
 * @throws StowageError when the run stopped for safety (see {@link isSafetyStop}), was misused, or lost its lease
 */
export async function runSync(engine: Engine, given: SyncOptions): Promise<SyncResult> {
  const options = resolveOptions(given)
  const signal = options.signal ?? new AbortController().signal
  throwIfAborted(signal)
  await refuseOverlap(options)
  await refuseManaged(options, engine.records.clock, engine.records.random, signal)
  await refuseOtherOrder(engine.records, options, signal)
  if (options.dryRun) return await dryRun(engine, options)
  const keys = pairKeys(options)
  const lease = await PairLease.acquire(engine.records, keys.state, engine.owner, signal)
  const run = new Run(engine, options, keys, lease)
  try {
    return await run.perform()
  } finally {
    await run.close()
  }
}

class Run {
  readonly #records: Records
  readonly #options: ResolvedOptions
  readonly #keys: PairKeys
  readonly #lease: PairLease
  readonly #shared: Shared
  readonly #events: Events | undefined
  readonly #background = new AbortController()
  readonly #loops: Promise<void>[] = []
  readonly #taskId: string
  #frontier: Frontier | undefined
  #report: TaskReport | undefined
  #chunks = 0
  /** Where this run began, when another had stopped in the middle. */
  #began = ''
  /** What unfinished runs before this one put into each side. */
  #brought: Pick<PairState, 'brought' | 'broughtBack'> = { brought: 0, broughtBack: 0 }
  /** What waits for the deletes, as long as they are to come. */
  #blocked: Blocked | undefined
  /** Whether what it put there need not be told from the target's own any more. */
  #agreed = false

  constructor(engine: Engine, options: ResolvedOptions, keys: PairKeys, lease: PairLease) {
    const { records } = engine
    this.#records = records
    this.#events = engine.events
    this.#options = options
    this.#keys = keys
    this.#blocked = options.delete ? new Blocked() : undefined
    this.#lease = lease
    this.#taskId = options.taskId ?? lease.state.taskId ?? records.random.id(records.clock.now())
    const confirm = () => lease.commit((state) => state)
    const uploads = new UploadLog({ records, keys, signal: lease.signal, confirm })
    const twoWay = options.twoWay && {
      uploads: new UploadLog({ records, keys: backwards(keys), signal: lease.signal, confirm }),
      intents: new IntentLog(records, keys, lease.token, lease.signal),
    }
    this.#shared = shared(engine, options, this.#taskId, uploads, twoWay || undefined)
    lease.signal.addEventListener('abort', this.#onLost, { once: true })
    options.signal?.addEventListener('abort', this.#onSignal, { once: true })
    if (options.signal?.aborted) this.#onSignal()
  }

  readonly #onLost = (): void =>
    this.#shared.stop.now({ kind: 'failed', error: toStowageError(this.#lease.signal.reason) })
  readonly #onSignal = (): void => {
    const { stop, transfers } = this.#shared
    this.#loops.push(stop.soon({ kind: 'signal' }, transfers.units, this.#records.clock, this.#background.signal))
  }
  readonly #name = (): string => this.#keys.chunk(this.#lease.token, ++this.#chunks)

  async perform(): Promise<SyncResult> {
    try {
      await this.#begin()
      const covered = await this.#copy()
      const status = covered === undefined ? this.#stoppedAs() : await this.#finish(covered)
      return await this.#end(status)
    } catch (error) {
      throw await this.#fail(toStowageError(error))
    }
  }

  /** Ends what runs in the background. A lease that could not be given back runs out. */
  async close(): Promise<void> {
    this.#background.abort()
    this.#lease.signal.removeEventListener('abort', this.#onLost)
    this.#options.signal?.removeEventListener('abort', this.#onSignal)
    await Promise.all(this.#loops)
    await this.#lease.abandon()
  }

  async #begin(): Promise<void> {
    const { signal, inherited } = this.#lease
    if (!inherited.clean) await sweepLedger(this.#records, this.#keys, inherited, signal)
    await this.#shared.transfers.uploads.open()
    await this.#shared.both?.back.uploads.open()
    await this.#shared.both?.intents.open()
    const intent = intentOf(this.#options)
    if (inherited.intent !== intent) await this.#join()
    await this.#lease.commit((state) => ({
      ...state,
      intent,
      taskId: this.#taskId,
      phase: 'copying',
      missed: state.missed && state.cursor !== '',
    }))
    const { cursor, done, rest, brought, broughtBack } = this.#lease.state
    this.#began = cursor
    this.#brought = { brought, broughtBack }
    const before = await createTasks(this.#records).get(this.#taskId)
    const type = done.length + rest.length === 0 ? 'full' : 'incremental'
    const task = beginTask(this.#taskId, this.#options, this.#records.clock.now(), type, before)
    this.#report = new TaskReport(
      this.#records,
      this.#events,
      this.#shared.transfers.progress,
      this.#shared.outcome,
      task,
      before,
    )
    await this.#report.change('running', undefined, signal)
    if (await cancelRequested(this.#records, this.#taskId, this.#lease.signal))
      this.#shared.stop.now({ kind: 'cancel' })
    this.#loops.push(this.#tick(), this.#limit())
  }

  /** Brings over what is to be brought. Returns what was counted; `undefined` when the run was stopped before it had seen everything. */
  async #copy(): Promise<PassCounts | undefined> {
    const { stop, transfers } = this.#shared
    const counts = noCounts()
    transfers.progress.phase = 'copying'
    await this.#pass(this.#began, undefined, counts)
    if (stop.stopping) return undefined
    if (this.#began !== '') {
      // This run began in the middle, where another one had stopped some time ago. So look at what lies before, too.
      await this.#join()
      await this.#pass('', this.#began, counts)
      // The task has seen everything once: a time limit that cuts the second look is no reason to begin anew for ever, unless an object
      // failed that was to be tried again.
      const enough = stop.reason?.kind === 'time' && !this.#options.delete && !this.#lease.state.missed
      if (stop.stopping && !enough) return undefined
    }
    transfers.progress.listingDone = true
    return counts
  }

  async #pass(after: string, until: string | undefined, counts: PassCounts, deletes?: AgreedDeletes): Promise<void> {
    const { signal } = this.#lease
    const ahead = await readAhead(this.#records, this.#lease.state, signal)
    const writer = new LedgerWriter(this.#records, this.#lease.state.done, after, this.#name, signal)
    await writer.reopen((ref) => readChunk(this.#records, ref, signal))
    const frontier = new Frontier(
      this.#records,
      this.#lease,
      writer,
      ahead,
      this.#name,
      this.#options.onSettled,
      this.#shared.both?.intents,
    )
    this.#frontier = frontier
    const ledger = ledgerAbove(this.#records, this.#lease.state, ahead, signal, (ref) => writer.consumed(ref))
    const context = { ...this.#shared, frontier, ledger, blocked: this.#blocked, ...(deletes && { deletes }) }
    await runPass(context, rulesFor(context, counts), after, until, counts)
    this.#lease.check()
    await frontier.checkpoint(true)
    this.#frontier = undefined
  }

  /** Makes one sorted ledger of what this pass and the one before know, so that a pass can begin at the beginning. */
  async #join(): Promise<void> {
    const { state, dropped } = await joined(this.#records, this.#lease.state, this.#name, this.#lease.signal)
    const { cursor, done, rest } = state
    await this.#lease.commit((now) => ({ ...now, cursor, done, rest }))
    for (const record of dropped) await deleteRecord(this.#records, record, this.#lease.signal)
  }

  /** Deletes, when that is asked for and safe. */
  async #finish(counts: PassCounts): Promise<SyncResult['status']> {
    const { outcome, stop, transfers } = this.#shared
    const { objects } = transfers.progress
    if (this.#shared.both !== undefined) return await this.#finishTwoWay(counts)
    const failed = (): boolean => objects.failed + objects.conflicts > 0
    this.#agreed = withinShare(this.#options, counts, this.#brought.brought)
    const blocked = this.#blocked
    if (blocked === undefined || counts.extra + blocked.count === 0) return failed() ? 'failed' : 'success'
    if (failed() || counts.problems > 0) {
      outcome.warn(
        `${counts.extra} objects that only the target has were not deleted, because not everything else succeeded.`,
      )
      blocked.fail(objects, outcome)
      return failed() ? 'failed' : 'success'
    }
    if (counts.source === 0) await refuseHidden(this.#options, stop.signal)
    checkDeletes(this.#options, counts, this.#brought.brought)
    transfers.progress.phase = 'deleting'
    await this.#lease.commit((state) => ({ ...state, phase: 'deleting', brought: 0 }))
    try {
      await this.#quiet()
      await runDeletes(this.#shared, counts, () => this.#lease.check())
      if (blocked.count > 0) await this.#passAgain()
      if (stop.stopping) return this.#stoppedAs()
    } catch (error) {
      if (error instanceof RunStop) stop.now({ kind: 'failed', error: error.error })
      if (!stop.stopping) throw error
      return this.#stoppedAs()
    }
    return failed() ? 'failed' : 'success'
  }

  /** Deletes on both sides, when that is asked for and safe, and lets the ledger learn the names that conflicts brought about. */
  async #finishTwoWay(counts: PassCounts): Promise<SyncResult['status']> {
    const { outcome, stop, transfers } = this.#shared
    const { objects } = transfers.progress
    const failed = (): boolean => objects.failed + objects.conflicts > outcome.settledConflicts
    const brought = broughtOf(this.#brought)
    this.#agreed = withinShares(this.#options, counts, brought)
    const held = counts.extra + counts.extraBack
    const deletes = this.#options.delete ? held : 0
    const blocked = this.#blocked
    if (failed() || counts.problems > 0 || deletes === 0) {
      if (held > 0) {
        const why = this.#options.delete ? 'because not everything else succeeded' : 'as was asked for'
        outcome.warn(`${held} objects that one side deleted were not deleted on the other, ${why}.`)
      }
      blocked?.fail(objects, outcome)
      if (!failed() && outcome.settledConflicts > 0) await this.#passAgain()
    } else {
      for (const side of emptiedBy(counts, brought))
        await refuseHidden(this.#options, stop.signal, side === 'to' ? 'from' : 'to')
      checkShares(this.#options, counts, brought)
      transfers.progress.phase = 'deleting'
      await this.#lease.commit((state) => ({ ...state, phase: 'deleting', brought: 0, broughtBack: 0 }))
      await this.#quiet().catch((error: unknown) => {
        if (!stop.stopping) throw error
      })
      if (!stop.stopping) await this.#passAgain({ counts, check: () => this.#lease.check() })
      if (!stop.stopping && (blocked?.count ?? 0) > 0) await this.#passAgain()
    }
    if (stop.stopping) return this.#stoppedAs()
    return failed() ? 'failed' : 'success'
  }

  /**
   * Another pass, which finds everything as it is to be but for what waited: the deletes that are given, or what had no place before them.
   */
  async #passAgain(deletes?: AgreedDeletes): Promise<void> {
    const { progress } = this.#shared.transfers
    const { skipped } = progress.objects
    if (deletes === undefined) this.#blocked = undefined
    else this.#blocked?.forget()
    if (deletes === undefined) {
      progress.phase = 'copying'
      await this.#lease.commit((state) => ({ ...state, phase: 'copying' }))
    }
    await this.#join()
    await this.#pass('', undefined, noCounts(), deletes)
    progress.objects.skipped = skipped
  }

  /** Waits until no request of an owner that was taken over can still arrive. */
  async #quiet(): Promise<void> {
    const wait = this.#lease.state.quietUntil - (await storeNow(this.#records, this.#shared.stop.signal))
    if (wait > 0) await this.#records.clock.sleep(wait, this.#shared.stop.signal)
  }

  #stoppedAs(): SyncResult['status'] {
    const { reason } = this.#shared.stop
    if (reason?.kind === 'cancel') return 'cancelled'
    return reason?.kind === 'failed' ? 'failed' : 'paused'
  }

  async #end(status: SyncResult['status']): Promise<SyncResult> {
    const { stop, transfers } = this.#shared
    this.#lease.check()
    transfers.progress.phase = 'finishing'
    const early = stop.reason?.kind === 'failed' ? stop.reason.error : undefined
    if (status !== 'paused') await sweepUploads(this.#shared, this.#lease)
    const complete = early === undefined && (status === 'success' || status === 'failed')
    if (complete) {
      await this.#join()
      await this.#shared.both?.intents.finish()
    }
    this.#background.abort()
    await Promise.all(this.#loops)
    if (status === 'cancelled') await forgetCancel(this.#records, this.#taskId, this.#lease.signal)
    await this.#report?.change(status, early, this.#lease.signal)
    await this.#lease.release((state) => ({
      ...state,
      ...(complete ? { phase: 'idle', intent: '' } : {}),
      ...(complete && (status === 'success' || this.#agreed) ? { brought: 0, broughtBack: 0 } : {}),
      taskId: status === 'paused' ? this.#taskId : null,
      clean: true,
    }))
    transfers.progress.flush()
    return {
      ...resultOf(this.#shared, this.#taskId, status),
      ...(early === undefined ? {} : { error: this.#shared.outcome.told(early) }),
    }
  }

  /** Keeps what is done and gives the lease back, as far as that is possible. Returns the error to throw. */
  async #fail(error: StowageError): Promise<StowageError> {
    if (this.#lease.signal.aborted) return toStowageError(this.#lease.signal.reason)
    this.#shared.stop.now({ kind: 'failed', error })
    this.#background.abort()
    try {
      await Promise.all(this.#loops)
      await this.#frontier?.checkpoint(true)
      await this.#report?.change('failed', error, this.#lease.signal)
      await this.#lease.release((state) => ({ ...state, taskId: null, clean: true }))
    } catch {
      // The first error is the one to tell. What is not written down is found out again by the next run.
    }
    return error
  }

  async #tick(): Promise<void> {
    const { clock } = this.#records
    const { inFlight, transfers } = this.#shared
    let checkpointAt = clock.now() + checkpointMs
    let sampled = { at: clock.now(), bytes: 0 }
    while (!this.#background.signal.aborted) {
      try {
        await clock.sleep(tickMs, this.#background.signal)
        if (await cancelRequested(this.#records, this.#taskId, this.#background.signal))
          this.#shared.stop.now({ kind: 'cancel' })
        const sample = { at: clock.now(), bytes: transfers.progress.transferred }
        inFlight.sample(((sample.bytes - sampled.bytes) * 1000) / Math.max(1, sample.at - sampled.at))
        sampled = sample
        if (clock.now() >= checkpointAt) {
          await this.#frontier?.checkpointIfFresh()
          checkpointAt = clock.now() + checkpointMs
        }
        await this.#report?.save(this.#lease.signal)
        transfers.progress.touch()
      } catch {
        // A store that is away for a moment: the next tick tries again, and the lease's own watch ends the run when it lasts.
      }
    }
  }

  async #limit(): Promise<void> {
    const { timeLimitMs } = this.#options
    if (timeLimitMs === undefined) return
    try {
      await this.#records.clock.sleep(timeLimitMs, this.#background.signal)
    } catch {
      return
    }
    const { stop, transfers } = this.#shared
    const advanced = () => this.#frontier === undefined || this.#frontier.cursor !== this.#began
    await stop.atLimit(transfers.units, this.#records.clock, this.#background.signal, advanced)
  }
}
