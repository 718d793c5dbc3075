import { decodeRecord, type Events, hasCode, type RecordWrite, StowageError, type SyncTask } from '@stowage/core'
import { encodeTask, type Records, readRecord, taskKey, writeRecord } from '../state/index.ts'
import type { QueueEntry } from './entry.ts'
import type { NewTask } from './types.ts'

/** The records of tasks that people see, as far as the queue writes them: a running sync writes its own. */
export class TaskRecords {
  readonly #records: Records
  readonly #events: Events | undefined

  constructor(records: Records, events: Events | undefined) {
    this.#records = records
    this.#events = events
  }

  async read(id: string, signal: AbortSignal): Promise<KnownTask | undefined> {
    const key = taskKey(id)
    const found = await readRecord(this.#records, key, signal)
    if (found === undefined) return undefined
    return { task: decodeRecord<{ task: SyncTask }>(key, found.value).task, revision: found.revision }
  }

  /**
   * Gives a task's record the state that the queue is about to have for it, unless somebody wrote it since it was read: a run that has the task
   * knows better.
   */
  async tell(entry: QueueEntry, known: KnownTask | undefined, signal: AbortSignal): Promise<SyncTask> {
    const before = known?.task ?? entry.task
    const told = this.next(entry, known)
    if (told === undefined) return before
    const { key, value, expected } = told.write
    try {
      await writeRecord(this.#records, key, value, expected, signal)
    } catch (error) {
      if (hasCode(error, 'conflict')) return before
      throw error
    }
    this.told(told.task)
    return told.task
  }

  /** What {@link tell} would write, for who writes more with it; `undefined` when the record says so already. */
  next(entry: QueueEntry, known: KnownTask | undefined): ToldTask | undefined {
    const before = known?.task ?? entry.task
    const state = stateOf(entry, before)
    if (known !== undefined && before.status === state.status && before.errorCode === state.errorCode) return undefined
    const task = withState(before, { ...state, retryCount: entry.attempts, updatedAt: this.#records.clock.now() })
    return { task, write: { key: taskKey(task.id), value: encodeTask(task), expected: known?.revision ?? null } }
  }

  /** Tells of a state that was written. */
  told(task: SyncTask): void {
    this.#events?.emit('task.state', task)
  }
}

/** A task's record as it is to be written. */
export interface ToldTask {
  task: SyncTask
  write: RecordWrite & { value: Uint8Array }
}

/** A task's record as it was read. */
export interface KnownTask {
  task: SyncTask
  revision: string
}

function stateOf(entry: QueueEntry, before: SyncTask): Partial<SyncTask> {
  const { state, reason, since } = entry
  const error = reason === undefined ? {} : { errorCode: reason.code, errorMessage: reason.message }
  switch (state) {
    case 'waiting':
      return { status: 'pending', speed: 0, ...error }
    case 'running':
      return { status: 'running' }
    case 'paused':
      return { status: 'paused', speed: 0, ...error }
    case 'dead':
      return { status: 'failed', speed: 0, completedAt: before.completedAt ?? since, ...error }
    case 'cancelled':
      return { status: 'cancelled', speed: 0, completedAt: before.completedAt ?? since }
    case 'done':
      return { status: 'success', progress: 100, speed: 0, completedAt: before.completedAt ?? since }
  }
}

/** The record of a task that has not begun. */
export function pendingTask(id: string, task: NewTask, now: number): SyncTask {
  const { sourceId, targetId, sourcePrefix, targetPrefix, datasetId, version, policyId, noted, options } = task
  return {
    id,
    ...(datasetId === undefined ? {} : { datasetId }),
    ...(version === undefined ? {} : { version }),
    ...(policyId === undefined ? {} : { policyId }),
    ...(noted === undefined ? {} : { noted }),
    queued: true,
    sourceId,
    targetId,
    sourcePrefix,
    targetPrefix,
    type: 'full',
    status: 'pending',
    progress: 0,
    transferredSize: 0,
    totalSize: 0,
    resumedSize: 0,
    speed: 0,
    objects: { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 },
    errors: [],
    ...(options === undefined ? {} : { options }),
    retryCount: 0,
    createdAt: now,
    updatedAt: now,
  }
}

/** @throws StowageError `invalid-request` naming the field that is wrong */
export function checkNewTask(task: NewTask): void {
  for (const field of ['sourceId', 'targetId'] as const) {
    if (typeof task[field] !== 'string' || task[field] === '') throw wrong(field, 'must be the id of a source')
  }
  for (const field of ['sourcePrefix', 'targetPrefix'] as const) {
    if (typeof task[field] !== 'string') throw wrong(field, 'must be a prefix; "" is all of the source')
  }
  whole('priority', task.priority, -100, 100)
  whole('notBefore', task.notBefore, 0, 8.64e15)
  whole('maxAttempts', task.maxAttempts, 1, 100)
  if (task.id !== undefined && !/^[a-z0-9][a-z0-9._-]{0,127}$/.test(task.id))
    throw wrong('id', 'must be 1 to 128 characters of a-z, 0-9, ".", "_" and "-"')
  if (task.key !== undefined && (typeof task.key !== 'string' || task.key === '' || task.key.length > 4096))
    throw wrong('key', 'must be 1 to 4096 characters')
}

/** @throws StowageError `invalid-request` unless it is a whole number within the bounds, or absent */
export function whole(field: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return
  throw wrong(field, `must be a whole number from ${least} to ${most}, not ${value}`)
}

function wrong(field: string, what: string): StowageError {
  return new StowageError('invalid-request', `"${field}" ${what}.`, { field })
}

/** A task as people see it, in a state that the queue gives it. */
export function withState(task: SyncTask, change: Partial<SyncTask>): SyncTask {
  const { errorCode: _, errorMessage: __, completedAt: ___, ...rest } = task
  return { ...rest, ...change }
}
