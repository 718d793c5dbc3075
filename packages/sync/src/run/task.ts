import type { Events, ObjectFailure, SyncTask, SyncTaskOptions, TaskStatus } from '@stowage/core'
import type { Progress } from '../flow/index.ts'
import { type Records, saveTask } from '../state/index.ts'
import { boundFields, type ResolvedOptions } from './options.ts'
import type { Outcome } from './outcome.ts'

/** Failures that a record keeps word for word, at most, in bytes: keys are long, and a record holds 512 KiB. */
const errorBytes = 128 * 1024

/** Keeps the record of the running task up to date. */
export class TaskReport {
  readonly #records: Records
  readonly #events: Events | undefined
  readonly #progress: Progress
  readonly #outcome: Outcome
  readonly #before: SyncTask | undefined
  #task: SyncTask

  constructor(
    records: Records,
    events: Events | undefined,
    progress: Progress,
    outcome: Outcome,
    task: SyncTask,
    before: SyncTask | undefined,
  ) {
    this.#records = records
    this.#events = events
    this.#progress = progress
    this.#outcome = outcome
    this.#before = before
    this.#task = task
  }

  /** Writes the record with what is known now. */
  async save(signal: AbortSignal): Promise<void> {
    const { objects, transferred, resumed, total, settled, rate, phase } = this.#progress
    this.#task = {
      ...this.#task,
      phase,
      objects: { ...objects },
      progress: total === 0 ? 0 : Math.min(99, Math.floor((settled / total) * 100)),
      transferredSize: (this.#before?.transferredSize ?? 0) + transferred,
      totalSize: Math.max(total, this.#before?.totalSize ?? 0),
      resumedSize: resumed,
      speed: rate,
      errors: withinBytes(this.#outcome.errors, errorBytes),
      updatedAt: this.#records.clock.now(),
    }
    await saveTask(this.#records, this.#task, signal)
  }

  /** Changes the state, writes it and tells of it. */
  async change(
    status: TaskStatus,
    error: { code: string; message: string } | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const ended = status === 'success' || status === 'failed' || status === 'cancelled'
    this.#task = {
      ...this.#task,
      status,
      ...(ended ? { completedAt: this.#records.clock.now() } : {}),
      ...(error === undefined ? {} : { errorCode: error.code, errorMessage: this.#outcome.clean(error.message) }),
    }
    await this.save(signal)
    if (status === 'success') {
      this.#task = { ...this.#task, progress: 100 }
      await saveTask(this.#records, this.#task, signal)
    }
    this.#events?.emit('task.state', this.#task)
  }
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
    ...(allowEmpty === undefined ? {} : { allowEmpty }),
    ...Object.fromEntries(boundFields.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
    ...(options.bandwidthLimit === undefined ? {} : { bandwidthLimit: options.bandwidthLimit }),
  }
}
