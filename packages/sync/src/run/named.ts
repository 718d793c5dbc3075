import { compareKeys, hasCode, StowageError, toStowageError } from '@stowage/core'
import pLimit from 'p-limit'
import {
  cancelRequested,
  createTasks,
  deleteRecord,
  editLedger,
  findEntries,
  forgetCancel,
  type LedgerEntry,
  type PairKeys,
  PairLease,
  type Records,
  storeNow,
  UploadLog,
} from '../state/index.ts'
import { Background } from './background.ts'
import { stoppedAs } from './finish.ts'
import { deleteNamed } from './named-deletes.ts'
import { NamedKeys } from './named-keys.ts'
import type { ResolvedOptions, SyncResult } from './options.ts'
import { outlast } from './outlast.ts'
import { refuseManagedBelow } from './safety.ts'
import { type Engine, resultOf, type Shared, shared } from './shared.ts'
import { sweepUploads } from './sweep-uploads.ts'
import { beginTask, TaskReport } from './task.ts'

/** Keys after which what is done is made permanent. */
const batchKeys = 1000

/**
 * A run that looks at some keys only, for who was told that these changed: it asks both sides for each of them and lists neither. It works
 * under the pair's lease and by the same rules, and its results enter the ledger in place, so that an unfinished pass goes on from where it
 * stands as if the pass had seen them.
 *
 * @throws StowageError `lease-held` when another run is at it, `unsafe` when more would be deleted than may be, `lease-lost`
 */
export async function runNamed(
  engine: Engine,
  options: ResolvedOptions,
  keys: PairKeys,
  cancelled: boolean,
): Promise<SyncResult> {
  const { records } = engine
  const signal = options.signal ?? new AbortController().signal
  const lease = await PairLease.acquire(records, keys.state, engine.owner, signal)
  const run = new NamedRun(engine, options, keys, lease)
  try {
    if (cancelled) run.cancel()
    return await run.perform()
  } finally {
    await run.close()
  }
}

class NamedRun {
  readonly #engine: Engine
  readonly #records: Records
  readonly #options: ResolvedOptions
  readonly #pair: PairKeys
  readonly #lease: PairLease
  readonly #shared: Shared
  readonly #taskId: string
  readonly #uploads: UploadLog
  readonly #background: Background
  #report: TaskReport | undefined
  #chunks = 0
  #settled = 0
  /** When this run began, by the store's clock. */
  #beganAt = 0

  constructor(engine: Engine, options: ResolvedOptions, keys: PairKeys, lease: PairLease) {
    const { records } = engine
    this.#engine = engine
    this.#records = records
    this.#options = options
    this.#pair = keys
    this.#lease = lease
    this.#taskId = options.taskId ?? records.random.id(records.clock.now())
    const confirm = () => lease.commit((state) => state)
    this.#uploads = new UploadLog({ records, keys, signal: lease.signal, confirm })
    this.#shared = shared(engine, options, this.#taskId, this.#uploads)
    lease.signal.addEventListener('abort', this.#onLost, { once: true })
    this.#background = new Background({
      records,
      shared: this.#shared,
      taskId: this.#taskId,
      frontiers: () => [],
      advanced: () => this.#settled > 0,
      tick: async () => this.#report?.save(lease.signal),
    })
  }

  readonly #onLost = (): void =>
    this.#shared.stop.now({ kind: 'failed', error: toStowageError(this.#lease.signal.reason) })

  /** Lets it only throw away what was begun. */
  cancel(): void {
    this.#shared.stop.now({ kind: 'cancel' })
  }

  async perform(): Promise<SyncResult> {
    try {
      await this.#begin()
      await this.#work()
      const { stop } = this.#shared
      const { quietUntil } = this.#lease.state
      await outlast({ records: this.#records, stop, beganAt: this.#beganAt, quietUntil }, () => this.#again())
      return await this.#end()
    } catch (thrown) {
      const error = this.#lease.signal.aborted ? toStowageError(this.#lease.signal.reason) : toStowageError(thrown)
      await this.#fail(error)
      throw error
    }
  }

  /** Ends what runs in the background. A lease that could not be given back runs out. */
  async close(): Promise<void> {
    this.#lease.signal.removeEventListener('abort', this.#onLost)
    await this.#background.end()
    await this.#lease.abandon()
  }

  async #begin(): Promise<void> {
    if (this.#lease.state.partitioning !== null) {
      throw new StowageError('lease-held', 'This sync stands in the middle of a run over everything, in partitions.', {
        hint: 'Let that come to its end: it looks at these keys too.',
      })
    }
    this.#beganAt = await storeNow(this.#records, this.#lease.signal)
    await this.#uploads.open()
    const now = this.#records.clock.now()
    const before = await createTasks(this.#records).get(this.#taskId)
    const task = beginTask(this.#taskId, this.#options, now, 'incremental', before)
    const { progress } = this.#shared.transfers
    this.#report = new TaskReport({
      records: this.#records,
      events: this.#engine.events,
      progress,
      outcome: this.#shared.outcome,
      task,
      before,
      survey: async () => undefined,
    })
    await this.#report.change('running', undefined, this.#lease.signal)
    if (await cancelRequested(this.#records, this.#taskId, this.#lease.signal))
      this.#shared.stop.now({ kind: 'cancel' })
    this.#background.start()
  }

  async #work(): Promise<void> {
    const { stop, transfers, filter } = this.#shared
    const { progress } = transfers
    progress.phase = 'copying'
    const wanted = [...new Set(this.#options.keys ?? [])].filter(filter).sort(compareKeys)
    for (let at = 0; at < wanted.length && !stop.stopping; at += batchKeys) {
      await this.#batch(wanted.slice(at, at + batchKeys), wanted.length)
    }
    progress.listingDone = true
  }

  /** Looks at the keys once more, as a run over everything does. */
  async #again(): Promise<void> {
    const { objects } = this.#shared.transfers.progress
    const { skipped } = objects
    this.#settled = 0
    this.#shared.mayBeLate = true
    await this.#work()
    objects.skipped = skipped
  }

  async #batch(batch: readonly string[], all: number): Promise<void> {
    const { stop, transfers } = this.#shared
    const { signal } = this.#lease
    await refuseManagedBelow(this.#options, batch, this.#records, stop.signal)
    const known = await findEntries(this.#records, this.#lease.state, batch, signal)
    const named = new NamedKeys(this.#shared, known)
    const limit = pLimit(this.#options.concurrency)
    const look = async (key: string): Promise<void> => {
      if (stop.stopping) return
      await named.settle(key)
      this.#settled++
      transfers.progress.looked(this.#settled / all)
    }
    await Promise.all(batch.map((key) => limit(look, key)))
    await this.#commit(named.edits, named.brought)
    if (stop.stopping || named.extra.length === 0) return
    // As in any other sync: nothing is deleted beside what did not succeed.
    if (transfers.progress.objects.failed + transfers.progress.objects.conflicts > 0) {
      this.#shared.outcome.warn(
        `${named.extra.length} objects were not deleted, because not everything else succeeded.`,
      )
      return
    }
    transfers.progress.phase = 'deleting'
    const deleted = await deleteNamed(this.#shared, this.#lease, this.#records, named.extra)
    await this.#commit(new Map(deleted.map((key) => [key, undefined])), 0)
    transfers.progress.phase = 'copying'
  }

  async #commit(edits: ReadonlyMap<string, LedgerEntry | undefined>, brought: number): Promise<void> {
    if (edits.size === 0) return
    const { signal, token } = this.#lease
    this.#lease.check()
    const name = (): string => this.#pair.chunk(token, ++this.#chunks)
    const { change, dropped } = await editLedger(this.#records, this.#lease.state, edits, name, signal)
    await this.#lease.commit((state) => ({ ...state, ...change, brought: state.brought + brought }))
    for (const record of dropped) await deleteRecord(this.#records, record, signal)
    for (const key of edits.keys()) {
      const note = await this.#uploads.find(key)
      if (note?.record.outcome) await this.#uploads.remove(note)
    }
  }

  async #end(): Promise<SyncResult> {
    const { stop, transfers, outcome } = this.#shared
    this.#lease.check()
    transfers.progress.phase = 'finishing'
    const early = stop.reason?.kind === 'failed' ? stop.reason.error : undefined
    const failed = transfers.progress.objects.failed + transfers.progress.objects.conflicts > 0
    const status = stop.stopping ? stoppedAs(stop) : failed ? ('failed' as const) : ('success' as const)
    // After an outage the next run goes on where this one was.
    if (status !== 'paused' && early === undefined) await this.#sweep()
    await this.#background.end()
    if (status === 'cancelled') await forgetCancel(this.#records, this.#taskId, this.#lease.signal)
    await this.#report?.change(status, early, this.#lease.signal)
    await this.#release()
    transfers.progress.complete = status === 'success'
    transfers.progress.flush()
    const told = early === undefined ? {} : { error: outcome.told(early) }
    return { ...resultOf(this.#shared, this.#taskId, status), ...told }
  }

  async #fail(error: ReturnType<typeof toStowageError>): Promise<void> {
    if (this.#lease.signal.aborted) return
    const isCancelled = this.#shared.stop.reason?.kind === 'cancel'
    this.#shared.stop.now({ kind: 'failed', error })
    try {
      if (isCancelled) await this.#sweep()
      await this.#background.end()
      await this.#report?.change(hasCode(error, 'aborted') ? 'paused' : 'failed', error, this.#lease.signal)
      await this.#release()
    } catch {
      // The first error is the one to tell. What is not written down is found out again by the next run.
    }
  }

  /** Throws away what is left of uploads of these keys. Those of other keys are of the pass that somebody else began. */
  async #sweep(): Promise<void> {
    await sweepUploads(this.#shared, this.#lease, this.#options.keys ?? [])
  }

  /** Leaves the rest of the state as it was: the pass that somebody else began, its task, and whether records lie about. */
  async #release(): Promise<void> {
    const { clean } = this.#lease.inherited
    await this.#lease.release((state) => ({ ...state, clean }))
  }
}
