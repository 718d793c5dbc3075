import { decodeRecord, encodeRecord, hasCode, type SyncTask } from '@stowage/core'
import { readRecord, storeNow, writeRecord } from '../state/index.ts'
import type { Entries } from './entries.ts'
import { hashOf, keyRecord, type QueueEntry } from './entry.ts'
import { checkNewTask, pendingTask, type TaskRecords } from './task-records.ts'
import type { NewTask } from './types.ts'

/** A task that is in the queue, and whether it is a new one. */
export interface Enqueued {
  task: SyncTask
  entry: QueueEntry | undefined
}

/** Puts a task into the queue. When this returns, nothing that crashes later forgets it. */
export async function enqueueTask(
  entries: Entries,
  tasks: TaskRecords,
  given: NewTask,
  signal: AbortSignal,
): Promise<Enqueued> {
  checkNewTask(given)
  const { clock, random } = entries.records
  const now = await storeNow(entries.records, signal)
  const known = given.id === undefined ? undefined : await knownTask(entries, tasks, given.id, signal)
  if (known !== undefined) return { task: known, entry: undefined }
  const id = given.id ?? random.id(clock.now())
  const entry = newEntry(pendingTask(id, given, now), given, now)
  if (entry.key === undefined) return await add(entries, tasks, entry, signal)
  return await addByKey(entries, tasks, entry, entry.key, signal)
}

/** A task of this id, whatever became of it. */
async function knownTask(
  entries: Entries,
  tasks: TaskRecords,
  id: string,
  signal: AbortSignal,
): Promise<SyncTask | undefined> {
  const found = await entries.read(id, signal)
  const record = (await tasks.read(id, signal))?.task
  if (found === undefined) return record
  // Whoever put it in may have died before it could be found.
  await entries.index(found.entry, signal)
  return record ?? (await tasks.tell(found.entry, undefined, signal))
}

/** The entry of a task that has not begun. */
export function newEntry(
  task: SyncTask,
  {
    priority = 0,
    notBefore = 0,
    key,
    maxAttempts = 3,
  }: Pick<NewTask, 'priority' | 'notBefore' | 'key' | 'maxAttempts'>,
  now: number,
): QueueEntry {
  const dueAt = Math.max(now, notBefore)
  return {
    id: task.id,
    sequence: 1,
    nonce: '',
    state: 'waiting',
    priority,
    dueAt,
    since: now,
    delayed: dueAt > now,
    ...(key === undefined ? {} : { key: hashOf(key) }),
    attempts: 0,
    maxAttempts,
    begun: false,
    deaths: 0,
    task,
  }
}

async function add(entries: Entries, tasks: TaskRecords, entry: QueueEntry, signal: AbortSignal): Promise<Enqueued> {
  const told = tasks.next(entry, undefined)
  const together = told && (await entries.addWith(entry, [told.write], signal))
  if (told !== undefined && together !== undefined) {
    tasks.told(told.task)
    return { task: told.task, entry: together.entry }
  }
  const written = await entries.write(entry, null, signal)
  // Somebody else put in the same at the same moment.
  if (written === undefined) return { task: (await tasks.read(entry.id, signal))?.task ?? entry.task, entry: undefined }
  const task = await tasks.tell(entry, await tasks.read(entry.id, signal), signal)
  // Last: as soon as it is found it may be run.
  await entries.index(written.entry, signal)
  return { task, entry: written.entry }
}

/**
 * A record holds the entry that a key stands for, before that is made: whoever comes with the same key makes it as well, so that one crash
 * between the two holds nobody up.
 */
async function addByKey(
  entries: Entries,
  tasks: TaskRecords,
  entry: QueueEntry,
  hash: string,
  signal: AbortSignal,
): Promise<Enqueued> {
  const { records } = entries
  const key = keyRecord(hash)
  for (;;) {
    const found = await readRecord(records, key, signal)
    if (found !== undefined) {
      const earlier = decodeRecord<{ id: string; entry: QueueEntry }>(key, found.value).entry
      const known = await waitingTask(entries, tasks, earlier, signal)
      if (known !== undefined) return known
    }
    try {
      await writeRecord(records, key, encodeRecord({ id: entry.id, entry }), found?.revision ?? null, signal)
    } catch (error) {
      if (hasCode(error, 'conflict')) continue
      throw error
    }
    return await add(entries, tasks, entry, signal)
  }
}

async function waitingTask(
  entries: Entries,
  tasks: TaskRecords,
  earlier: QueueEntry,
  signal: AbortSignal,
): Promise<Enqueued | undefined> {
  for (;;) {
    // The task's record first: it comes with the entry, or after it, and outlives it.
    const known = await tasks.read(earlier.id, signal)
    const found = await entries.read(earlier.id, signal)
    if (found !== undefined) {
      const { entry } = found
      if (entry.begun || (entry.state !== 'waiting' && entry.state !== 'paused')) return undefined
      await entries.index(entry, signal)
      return { task: await tasks.tell(entry, known ?? (await tasks.read(entry.id, signal)), signal), entry: undefined }
    }
    if (known !== undefined) return undefined
    if ((await tasks.read(earlier.id, signal)) === undefined) return await add(entries, tasks, earlier, signal)
  }
}
