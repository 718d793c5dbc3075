import { type Events, type StowageError, toStowageError } from '@stowage/core'
import {
  backwards,
  cancelRequested,
  createTasks,
  forgetCancel,
  IntentLog,
  type PairKeys,
  type PairLease,
  type PairState,
  type Records,
  storeNow,
  sweepPartitions,
  UploadLog,
  waitQuiet,
} from '../state/index.ts'
import { Background } from './background.ts'
import { Blocked } from './blocked.ts'
import { noCounts, type PassCounts } from './counts.ts'
import { type Finishing, finishOneWay, finishTwoWay, stoppedAs } from './finish.ts'
import { intentOf } from './intent.ts'
import { sweepLedger } from './ledger-state.ts'
import type { ResolvedOptions, SyncResult } from './options.ts'
import { outlast } from './outlast.ts'
import { partition } from './partition.ts'
import { Passes } from './passes.ts'
import { type AgreedDeletes, type Engine, resultOf, type Shared, shared } from './shared.ts'
import { SharedWork } from './shared-work.ts'
import type { Survey } from './survey.ts'
import { sweepUploads } from './sweep-uploads.ts'
import { beginTask, TaskReport } from './task.ts'

/** One run of a sync under the lease of its pair, from taking the lease to giving it back. */
export class Run {
  readonly #records: Records
  readonly #options: ResolvedOptions
  readonly #keys: PairKeys
  readonly #lease: PairLease
  readonly #shared: Shared
  readonly #events: Events | undefined
  readonly #background: Background
  readonly #taskId: string
  readonly #work: SharedWork
  readonly #passes: Passes
  #report: TaskReport | undefined
  #chunks = 0
  /** Where this run began, when another had stopped in the middle. */
  #began = ''
  /** When this run began, by the store's clock. */
  #beganAt = 0
  /** What unfinished runs before this one put into each side. */
  #brought: Pick<PairState, 'brought' | 'broughtBack'> = { brought: 0, broughtBack: 0 }
  /** What waits for the deletes, as long as they are to come. */
  #blocked: Blocked | undefined
  /** Whether what it put there need not be told from the target's own any more. */
  #agreed = false
  /** Whether everything was seen. */
  #covered = false

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
    this.#work = new SharedWork({ engine, keys, lease, shared: this.#shared, blocked: this.#blocked, name: this.#name })
    this.#passes = new Passes({ engine, lease, shared: this.#shared, name: this.#name })
    lease.signal.addEventListener('abort', this.#onLost, { once: true })
    this.#background = new Background({
      records,
      shared: this.#shared,
      taskId: this.#taskId,
      frontiers: () => (this.#passes.frontier === undefined ? this.#work.frontiers : [this.#passes.frontier]),
      advanced: () => this.#work.moved ?? this.#passes.frontier?.cursor !== this.#began,
      tick: async (signal) => {
        await this.#work.attend(signal)
        await this.#report?.save(lease.signal)
      },
    })
  }

  readonly #onLost = (): void =>
    this.#shared.stop.now({ kind: 'failed', error: toStowageError(this.#lease.signal.reason) })
  readonly #name = (): string => this.#keys.chunk(this.#lease.token, ++this.#chunks)

  /** Lets it only throw away what was begun. */
  cancel(): void {
    this.#shared.stop.now({ kind: 'cancel' })
  }

  async perform(): Promise<SyncResult> {
    try {
      await this.#begin()
      const covered = await this.#copy()
      this.#covered = covered !== undefined
      const status = covered === undefined ? stoppedAs(this.#shared.stop) : await this.#finish(covered)
      return await this.#end(status)
    } catch (error) {
      throw await this.#fail(toStowageError(error))
    }
  }

  /** Ends what runs in the background. A lease that could not be given back runs out. */
  async close(): Promise<void> {
    this.#lease.signal.removeEventListener('abort', this.#onLost)
    await this.#background.end()
    await this.#lease.abandon()
  }

  async #begin(): Promise<void> {
    const { signal, inherited } = this.#lease
    this.#beganAt = await storeNow(this.#records, signal)
    if (!inherited.clean && inherited.partitioning === null) {
      await sweepLedger(this.#records, this.#keys, inherited, signal)
      await sweepPartitions(this.#records, this.#keys, signal)
    }
    await this.#shared.transfers.uploads.open()
    await this.#shared.both?.back.uploads.open()
    await this.#shared.both?.intents.open()
    const intent = intentOf(this.#options)
    if (inherited.intent !== intent || !mayPartition(this.#options)) await this.#work.close()
    if (inherited.intent !== intent) await this.#passes.join()
    const before = await createTasks(this.#records).get(this.#taskId)
    const beside = await this.#work.beside(this.#taskId, before?.transferredSize ?? 0)
    await this.#lease.commit((state) => ({
      ...state,
      intent,
      taskId: this.#taskId,
      phase: 'copying',
      missed: state.missed && state.cursor !== '',
      partitioning: state.partitioning && { ...state.partitioning, closing: false, ...(beside && { beside }) },
    }))
    const { cursor, done, rest, brought, broughtBack, partitioning } = this.#lease.state
    this.#began = cursor
    this.#brought = { brought, broughtBack }
    const type = done.length + rest.length === 0 && partitioning === null ? 'full' : 'incremental'
    const task = beginTask(this.#taskId, this.#options, this.#records.clock.now(), type, before)
    this.#report = new TaskReport({
      records: this.#records,
      events: this.#events,
      progress: this.#shared.transfers.progress,
      outcome: this.#shared.outcome,
      task,
      before,
      survey: (signal) => this.#survey(signal),
    })
    await this.#report.change('running', undefined, signal)
    if (await cancelRequested(this.#records, this.#taskId, this.#lease.signal))
      this.#shared.stop.now({ kind: 'cancel' })
    this.#background.start()
  }

  /** Brings over what is to be brought. Returns what was counted; `undefined` when the run was stopped before it had seen everything. */
  async #copy(): Promise<PassCounts | undefined> {
    const { stop, transfers } = this.#shared
    const counts = noCounts()
    transfers.progress.phase = 'copying'
    if (this.#lease.state.partitioning !== null) return await this.#share()
    const blocked = this.#blocked
    const divide = mayPartition(this.#options)
    const borders = await this.#passes.walk({ after: this.#began, counts, blocked, divide })
    if (stop.stopping) return undefined
    if (borders.length > 0) {
      await this.#partition(borders, counts)
      return await this.#share()
    }
    if (this.#began !== '') {
      // This run began in the middle, where another one had stopped some time ago. So look at what lies before, too.
      await this.#passes.join()
      await this.#passes.walk({ after: '', until: this.#began, counts, blocked })
      // The task has seen everything once: a time limit that cuts the second look is no reason to begin anew for ever, unless an object
      // failed that was to be tried again.
      const enough = stop.reason?.kind === 'time' && !this.#options.delete && !this.#lease.state.missed
      if (stop.stopping && !enough) return undefined
    }
    transfers.progress.listingDone = true
    return counts
  }

  /** Works on the partitions beside all who help. */
  async #share(): Promise<PassCounts | undefined> {
    const counts = await this.#work.perform()
    if (counts !== undefined) await this.#report?.gather(this.#lease.signal)
    return counts
  }

  async #survey(signal: AbortSignal): Promise<{ survey: Survey; beside: number } | undefined> {
    const beside = this.#lease.state.partitioning?.beside?.bytes ?? 0
    const survey = await this.#work.survey(signal)
    return survey && { survey, beside }
  }

  /** Divides what is to come among as many hands as there are. */
  async #partition(borders: readonly string[], counts: PassCounts): Promise<void> {
    const { objects } = this.#shared.transfers.progress
    const whole = this.#began === ''
    const { copied, skipped, failed, conflicts } = objects
    const blocked = this.#blocked?.count ?? 0
    const { source, target, extra, foreign, problems } = counts
    const counted = { source, target, extra, foreign, copied, skipped, failed, conflicts, blocked, problems }
    await partition({
      records: this.#records,
      keys: this.#keys,
      lease: this.#lease,
      name: this.#name,
      borders,
      counted: whole ? counted : undefined,
      errors: this.#shared.outcome.errors,
      broughtBefore: this.#brought.brought,
      taskId: this.#taskId,
      bytes: this.#report?.brought ?? 0,
    })
    if (whole) this.#work.walked(counts)
    else this.#blocked?.forget()
  }

  async #finish(counts: PassCounts): Promise<SyncResult['status']> {
    const finishing: Finishing = {
      shared: this.#shared,
      lease: this.#lease,
      brought: { ...this.#brought, brought: this.#brought.brought + this.#work.reopened },
      blocked: this.#blocked,
      agree: (agreed) => {
        this.#agreed = agreed
      },
      quiet: () => this.#quiet(),
      passAgain: (deletes) => this.#passAgain(deletes),
      borders: this.#work.borders,
      old: this.#work.old,
      broughtInParts: this.#work.brought,
    }
    if (this.#shared.both !== undefined) return await finishTwoWay(finishing, counts)
    const status = await finishOneWay(finishing, counts)
    if (status !== 'success') return status
    const { stop, transfers } = this.#shared
    const { objects } = transfers.progress
    // Two-way, every write is for what was seen there.
    const outlasting = { records: this.#records, stop, beganAt: this.#beganAt, quietUntil: this.#quietUntil }
    await outlast(outlasting, () => {
      this.#shared.mayBeLate = true
      return this.#passAgain()
    })
    if (stop.stopping) return stoppedAs(stop)
    return objects.failed + objects.conflicts > 0 ? 'failed' : 'success'
  }

  async #passAgain(deletes?: AgreedDeletes): Promise<void> {
    const { progress } = this.#shared.transfers
    const { skipped } = progress.objects
    if (deletes === undefined) this.#blocked = undefined
    else this.#blocked?.forget()
    if (deletes === undefined) {
      progress.phase = 'copying'
      await this.#lease.commit((state) => ({ ...state, phase: 'copying' }))
    }
    await this.#work.close()
    await this.#passes.join()
    await this.#passes.walk({ after: '', counts: noCounts(), blocked: this.#blocked, deletes })
    progress.objects.skipped = skipped
  }

  /** Until then requests of owners that were taken over might still arrive, by the store's clock. */
  get #quietUntil(): number {
    return Math.max(this.#lease.state.quietUntil, this.#work.quietUntil)
  }

  #quiet(): Promise<void> {
    return waitQuiet(this.#records, this.#quietUntil, this.#shared.stop.signal)
  }

  async #end(status: SyncResult['status']): Promise<SyncResult> {
    const { stop, transfers } = this.#shared
    this.#lease.check()
    transfers.progress.phase = 'finishing'
    const early = stop.reason?.kind === 'failed' ? stop.reason.error : undefined
    const complete = early === undefined && (status === 'success' || status === 'failed')
    if (complete) await this.#work.close()
    // After an outage the next run goes on where this one was.
    if (status !== 'paused' && early === undefined && (await this.#work.alone(status === 'cancelled'))) {
      // The walks over partitions, and those who helped, wrote notes that are not known here yet.
      if (this.#work.moved !== undefined) await transfers.uploads.open()
      await sweepUploads(this.#shared, this.#lease)
    }
    if (complete) {
      await this.#passes.join()
      await this.#shared.both?.intents.finish()
    }
    await this.#background.end()
    if (status === 'cancelled') await forgetCancel(this.#records, this.#taskId, this.#lease.signal)
    await this.#report?.change(status === 'helped' ? 'paused' : status, early, this.#lease.signal)
    const now = await storeNow(this.#records, this.#lease.signal)
    await this.#lease.release((state) => ({
      ...state,
      ...(complete ? { phase: 'idle', intent: '', namedDeletes: 0 } : {}),
      ...(complete && (status === 'success' || this.#agreed) ? { brought: 0, broughtBack: 0 } : {}),
      taskId: status === 'paused' ? this.#taskId : null,
      clean: true,
      partitioning: state.partitioning && { ...state.partitioning, touchedAt: now },
    }))
    transfers.progress.complete = status === 'success'
    transfers.progress.flush()
    return {
      ...resultOf(this.#shared, this.#taskId, status),
      ...(early === undefined ? {} : { error: this.#shared.outcome.told(early) }),
    }
  }

  /** Keeps what is done and gives the lease back, as far as that is possible. Returns the error to throw. */
  async #fail(error: StowageError): Promise<StowageError> {
    if (this.#lease.signal.aborted) return toStowageError(this.#lease.signal.reason)
    const isCancelled = this.#shared.stop.reason?.kind === 'cancel'
    this.#shared.stop.now({ kind: 'failed', error })
    try {
      await this.#background.end()
      // Nobody will go on with them.
      if (isCancelled && (await this.#work.alone(true))) await sweepUploads(this.#shared, this.#lease)
      await this.#passes.frontier?.checkpoint(true)
      // What was refused when all had been counted is to be counted anew the next time.
      if (this.#covered) await this.#work.close()
      await this.#report?.change('failed', error, this.#lease.signal)
      const now = await storeNow(this.#records, this.#lease.signal)
      await this.#lease.release((state) => ({
        ...state,
        taskId: null,
        clean: true,
        partitioning: state.partitioning && { ...state.partitioning, touchedAt: now },
      }))
    } catch {
      // The first error is the one to tell. What is not written down is found out again by the next run.
    }
    return error
  }
}

/**
 * Whether what is to be done may be done in any order of keys. Of the caller's own listing nobody can ask what came before a border, as is to be
 * known where the target cannot hold `a` beside `a/b`.
 */
function mayPartition({ lanes, twoWay, onSettled, checkKey, objects, to }: ResolvedOptions): boolean {
  const crowded = objects !== undefined && !to.adapter.capabilities.keys.objectAndFolder
  return lanes > 1 && !twoWay && onSettled === undefined && checkKey === undefined && !crowded
}
