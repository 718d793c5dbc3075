import {
  type Events,
  type ObjectFailure,
  RateMeter,
  type SyncTask,
  type SyncTaskOptions,
  type TaskStatus,
} from '@stowage/core'
import { type Progress, percentOf } from '../flow/index.ts'
import { type Records, saveTask } from '../state/index.ts'
import { boundFields, type ResolvedOptions } from './options.ts'
import type { Outcome } from './outcome.ts'
import type { Survey } from './survey.ts'

/** Failures that a record keeps word for word, at most, in bytes: keys are long, and a record holds 512 KiB. */
const errorBytes = 128 * 1024

/** How often what all who work on a task have done is looked at, in milliseconds. */
const surveyMs = 2500

/** What {@link TaskReport} needs. */
export interface TaskReportOptions {
  records: Records
  events: Events | undefined
  progress: Progress
  outcome: Outcome
  task: SyncTask
  /** The record that an earlier run left. */
  before: SyncTask | undefined
  /** What all who work on the task have done, while there are partitions, and what it brought beside. */
  survey: (signal: AbortSignal) => Promise<{ survey: Survey; beside: number } | undefined>
}

/** Keeps the record of the running task up to date: what all its runs and all who help have done. */
export class TaskReport {
  readonly #options: TaskReportOptions
  /** What the task brought, and had not to bring again, before this run. */
  #before: number
  #resumed = 0
  #task: SyncTask
  #survey: { survey: Survey; beside: number } | undefined
  #surveyedAt = Number.NEGATIVE_INFINITY
  /** Of all together, and what it had counted last. */
  #meter: RateMeter | undefined
  #met = 0
  /** Whether what all have done is counted in this run's own. */
  #gathered = false

  constructor(options: TaskReportOptions) {
    this.#options = options
    this.#task = options.task
    this.#before = options.before?.transferredSize ?? 0
  }

  /** Bytes that the task has brought until now, by this run and those before it. */
  get brought(): number {
    return this.#before + this.#options.progress.bytes.arrived
  }

  /** All partitions are done: from here on this run is alone, and its own counts are those of the task. */
  async gather(signal: AbortSignal): Promise<void> {
    const found = await this.#options.survey(signal)
    if (found === undefined) return
    const { bytes } = this.#options.progress
    this.#before = found.beside + found.survey.bytes.arrived - bytes.arrived
    this.#resumed = found.survey.bytes.resumed - bytes.resumed
    this.#gathered = true
  }

  /** Writes the record with what is known now. @param fresh ask what others have done, however lately that was done */
  async save(signal: AbortSignal, fresh = false): Promise<void> {
    const { records, outcome, progress } = this.#options
    await this.#look(signal, fresh)
    const { phase, objects, bytes, rate } = progress
    const shared = this.#survey
    const running = this.#task.status === 'running'
    // What is on its way shows, and what came of it is exact once nothing is.
    const own = this.brought + (running ? bytes.passing : 0)
    const known = shared === undefined ? own : shared.beside + shared.survey.bytes.arrived
    const transferred = running ? Math.max(known, this.#task.transferredSize) : known
    const left = this.#left(transferred)
    const all = shared?.survey
    const complete = this.#task.status === 'success'
    const { workers: _, ...task } = this.#task
    this.#task = {
      ...task,
      phase,
      objects: { ...objects, ...all?.objects },
      progress: Math.max(
        percentOf({ done: transferred, left, listed: progress.listingDone, complete, ...shareOf(progress, all) }),
        this.#reached(),
      ),
      transferredSize: transferred,
      totalSize: transferred + left,
      resumedSize: all?.bytes.resumed ?? this.#resumed + bytes.resumed,
      speed: running ? (this.#meter?.rate ?? rate) : 0,
      ...(all === undefined || !running ? {} : { workers: Math.max(1, all.workers) }),
      errors: withinBytes(outcome.errors, errorBytes),
      updatedAt: records.clock.now(),
    }
    await saveTask(records, this.#task, signal)
  }

  /** Changes the state, writes it and tells of it. */
  async change(
    status: TaskStatus,
    error: { code: string; message: string } | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { events, outcome, records } = this.#options
    const ended = status === 'success' || status === 'failed' || status === 'cancelled'
    this.#task = {
      ...this.#task,
      status,
      ...(ended ? { completedAt: records.clock.now() } : {}),
      ...(error === undefined ? {} : { errorCode: error.code, errorMessage: outcome.clean(error.message) }),
    }
    await this.save(signal, true)
    events?.emit('task.state', this.#task)
  }

  async #look(signal: AbortSignal, fresh: boolean): Promise<void> {
    if (this.#gathered) {
      this.#survey = undefined
      this.#meter = undefined
      return
    }
    const { clock } = this.#options.records
    const now = clock.now()
    if (!fresh && Math.abs(now - this.#surveyedAt) < surveyMs) return
    this.#surveyedAt = now
    this.#survey = await this.#options.survey(signal)
    if (this.#survey === undefined) return
    const { arrived } = this.#survey.survey.bytes
    if (this.#meter === undefined) this.#meter = new RateMeter(now)
    else this.#meter.add(arrived - this.#met)
    this.#meter.sample(now)
    this.#met = arrived
  }

  /** What is still to come. Before that is known, no less than an earlier run had found. */
  #left(transferred: number): number {
    const { progress } = this.#options
    const { left: own, passing } = progress.bytes
    const left = this.#survey?.survey.bytes.left ?? Math.max(0, own - passing)
    const before = this.#unfinished()
    return before === undefined ? left : Math.max(left, before.totalSize - transferred)
  }

  /** How far an earlier run had come, in percent, as long as no more is known. */
  #reached(): number {
    return Math.min(99, this.#unfinished()?.progress ?? 0)
  }

  /** The record of the run that this one goes on from, as long as it knows more. */
  #unfinished(): SyncTask | undefined {
    const { before, progress } = this.#options
    return progress.listingDone || before?.status === 'success' || before?.status === 'cancelled' ? undefined : before
  }
}

function shareOf({ share }: Progress, all: Survey | undefined): { share?: number } {
  const known = all?.share ?? share
  return known === undefined ? {} : { share: known }
}

/** The record of a task as it begins, or goes on. */
export function beginTask(
  id: string,
  options: ResolvedOptions,
  now: number,
  type: SyncTask['type'],
  before: SyncTask | undefined,
): SyncTask {
  const { from, to, datasetId, version, policyId } = options
  return {
    id,
    ...(datasetId === undefined ? {} : { datasetId }),
    ...(version === undefined ? {} : { version }),
    ...(policyId === undefined ? {} : { policyId }),
    ...(before?.noted === undefined ? {} : { noted: before.noted }),
    ...(before?.queued === undefined ? {} : { queued: before.queued }),
    sourceId: from.adapter.id,
    targetId: to.adapter.id,
    sourcePrefix: from.prefix,
    targetPrefix: to.prefix,
    type,
    status: 'running',
    phase: 'listing',
    progress: 0,
    transferredSize: before?.transferredSize ?? 0,
    totalSize: before?.totalSize ?? 0,
    resumedSize: 0,
    speed: 0,
    objects: { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 },
    errors: [],
    options: optionsOf(options),
    retryCount: before === undefined ? 0 : before.retryCount + (before.status === 'failed' ? 1 : 0),
    createdAt: before?.createdAt ?? now,
    updatedAt: now,
    startedAt: before?.startedAt ?? now,
  }
}

function withinBytes(errors: readonly ObjectFailure[], limit: number): ObjectFailure[] {
  let bytes = 0
  const end = errors.findIndex(({ key, message }) => {
    bytes += 4 * (key.length + message.length) + 64
    return bytes > limit
  })
  return end < 0 ? [...errors] : errors.slice(0, end)
}

/** What to ask for when the task is run again. */
function optionsOf(options: ResolvedOptions): SyncTaskOptions {
  const { delete: remove, maxDeletePercent, allowEmpty, checksum, include, exclude, concurrency, partSize } = options
  return {
    ...(options.twoWay ? { twoWay: true, conflict: options.conflict } : {}),
    delete: remove,
    maxDeletePercent,
    checksum,
    include,
    exclude,
    concurrency,
    partSize,
    ...(options.maxDeleteCount === undefined ? {} : { maxDeleteCount: options.maxDeleteCount }),
    ...(allowEmpty === undefined ? {} : { allowEmpty }),
    ...Object.fromEntries(boundFields.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
    ...(options.bandwidthLimit === undefined ? {} : { bandwidthLimit: options.bandwidthLimit }),
  }
}
