import { decodeRecord, encodeRecord, StowageError, type SyncTask } from '@stowage/core'
import { deleteRecord, listRecords, type Records, readRecord, replaceRecord } from './cas.ts'
import { cancelKey, taskKey, taskPrefix } from './record-keys.ts'

/** Tasks as records. */
export interface SyncTasks {
  /** All tasks, in the order of their ids, which is that of their beginning. */
  list(): AsyncIterable<SyncTask>
  get(id: string): Promise<SyncTask | undefined>
  /**
   * Asks the owner of a task to stop and to throw its unfinished uploads away; a running owner sees it within about a second.
   * A task that nobody runs is marked as cancelled when it is next run.
   * @throws StowageError `not-found`
   */
  cancel(id: string): Promise<void>
}

/** Bytes that the failures in a task's record may take: it is written every second. */
const errorBytes = 128 * 1024

const never = new AbortController().signal

export function createTasks(records: Records): SyncTasks {
  return {
    async *list() {
      for await (const key of listRecords(records, taskPrefix, never)) {
        const task = await readTask(records, key)
        if (task !== undefined) yield task
      }
    },
    get: (id) => readTask(records, taskKey(id)),
    async cancel(id) {
      const task = await readTask(records, taskKey(id))
      if (task === undefined) throw new StowageError('not-found', `There is no task "${id}".`)
      if (task.status === 'success' || task.status === 'failed' || task.status === 'cancelled') return
      await requestCancel(records, id, never)
    },
  }
}

async function readTask(records: Records, key: string): Promise<SyncTask | undefined> {
  const found = await readRecord(records, key, never)
  return found === undefined ? undefined : decodeRecord<{ task: SyncTask }>(key, found.value).task
}

/** Writes a task's record, with as many of its failures as fit. */
export async function saveTask(records: Records, task: SyncTask, signal: AbortSignal): Promise<void> {
  await replaceRecord(records, taskKey(task.id), encodeTask(task), signal)
}

/** A task as its record holds it. */
export function encodeTask(task: SyncTask): Uint8Array {
  let bytes = 0
  const errors = task.errors.filter(({ key, message }) => {
    bytes += 3 * (key.length + message.length) + 64
    return bytes <= errorBytes
  })
  return encodeRecord({ task: { ...task, errors } })
}

/** Asks the owner of a task to cancel it. */
export async function requestCancel(records: Records, id: string, signal: AbortSignal): Promise<void> {
  await replaceRecord(records, cancelKey(id), encodeRecord({ at: records.clock.now() }), signal)
}

export async function cancelRequested(records: Records, id: string, signal: AbortSignal): Promise<boolean> {
  return (await readRecord(records, cancelKey(id), signal)) !== undefined
}

export async function forgetCancel(records: Records, id: string, signal: AbortSignal): Promise<void> {
  await deleteRecord(records, cancelKey(id), signal)
}
