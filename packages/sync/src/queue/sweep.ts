import { decodeRecord, encodeRecord, hasCode } from '@stowage/core'
import { deleteRecord, listRecords, type Records, readRecord, storeNow, taskKey, writeRecord } from '../state/index.ts'
import { Candidates } from './candidates.ts'
import {
  deadPrefix,
  endedAt,
  endedPrefix,
  entryPrefix,
  heldPrefix,
  idIn,
  keysOf,
  laterPrefix,
  type QueueEntry,
  runPrefix,
  sweptKey,
  timeOf,
  waitPrefix,
} from './entry.ts'
import { isGone, takeBack, type WorkerParts } from './worker.ts'

/** How long and how many tasks that have ended are kept. */
export interface Retention {
  /** Milliseconds. @defaultValue 30 days */
  ms?: number
  /** Tasks. @defaultValue 10 000 */
  count?: number
  /** Tasks of one policy that have ended, so that one that is often run leaves room for the others. @defaultValue 100 */
  perPolicy?: number
}

/** A task whose record was written so long after it ended was begun again, in milliseconds: clocks may differ. */
const againMs = 60_000

/** How often what was forgotten is looked for, in milliseconds. */
export const sweepMs = 60_000

type Parts = Pick<WorkerParts, 'entries' | 'tasks' | 'owner'>

/** Looks at every running task, and takes those back whose worker is gone. It costs one read a running task. @returns those that wait again */
export async function takeBackLost(parts: Parts, signal: AbortSignal): Promise<QueueEntry[]> {
  const { entries, owner } = parts
  const back: QueueEntry[] = []
  for await (const key of listRecords(entries.records, runPrefix, signal)) {
    const found = await entries.read(idIn(key), signal)
    if (found === undefined) {
      await deleteRecord(entries.records, key, signal)
      continue
    }
    if (!keysOf(found.entry).includes(key)) {
      await entries.mend(found, key, signal)
      if (found.entry.state === 'waiting') back.push(found.entry)
      continue
    }
    const now = await storeNow(entries.records, signal)
    if (!isGone(found.entry, owner, now)) continue
    const moved = await takeBack(parts, found, now, signal)
    if (moved?.entry.state === 'waiting') back.push(moved.entry)
  }
  return back
}

/** Finds records that no key leads to, which a crash in the middle of a change leaves, and gives them theirs. @returns those that wait */
export async function findLost({ entries }: Parts, signal: AbortSignal): Promise<QueueEntry[]> {
  const { records } = entries
  await new Candidates(records).moveDue(signal)
  // The records first: one that comes while the keys are read is looked at for nothing, and none is missed.
  const lost = new Set<string>()
  for await (const key of listRecords(records, entryPrefix, signal)) lost.add(key.slice(entryPrefix.length))
  for (const prefix of [waitPrefix, laterPrefix, runPrefix, heldPrefix, deadPrefix]) {
    for await (const key of listRecords(records, prefix, signal)) lost.delete(idIn(key))
  }
  const found: QueueEntry[] = []
  for (const id of lost) {
    const entry = await entries.read(id, signal)
    if (entry === undefined) continue
    if ((await entries.mend(entry, undefined, signal)) && entry.entry.state === 'waiting') found.push(entry.entry)
  }
  return found
}

/**
 * Drops the records of tasks that ended, or were given up, long ago, and of the oldest when they are many. What is kept costs no read: its key says
 * enough.
 */
export async function dropOld(parts: Parts, retention: Required<Retention>, signal: AbortSignal): Promise<void> {
  await dropOfPolicies(parts, retention.perPolicy, signal)
  for (const prefix of [endedPrefix, deadPrefix]) await dropBelow(parts, prefix, retention, signal)
}

/** Drops all but the newest tasks of each policy that have ended. */
async function dropOfPolicies(parts: Parts, most: number, signal: AbortSignal): Promise<void> {
  const { records } = parts.entries
  const surplus = new Map<string, number>()
  for await (const key of listRecords(records, endedPrefix, signal)) {
    const { policy } = endedAt(key)
    if (policy !== undefined) surplus.set(policy, (surplus.get(policy) ?? -most) + 1)
  }
  let left = [...surplus.values()].reduce((all, one) => all + Math.max(0, one), 0)
  if (left === 0) return
  for await (const key of listRecords(records, endedPrefix, signal)) {
    const { at, policy } = endedAt(key)
    const over = policy === undefined ? 0 : (surplus.get(policy) ?? 0)
    if (policy === undefined || over <= 0) continue
    surplus.set(policy, over - 1)
    await dropEnded(parts, key, at, signal)
    if (--left === 0) return
  }
}

async function dropBelow(
  parts: Parts,
  prefix: string,
  retention: Required<Retention>,
  signal: AbortSignal,
): Promise<void> {
  const { records } = parts.entries
  const now = await storeNow(records, signal)
  let surplus = (await countBelow(records, prefix, signal)) - retention.count
  for await (const key of listRecords(records, prefix, signal)) {
    const at = timeOf(key.slice(prefix.length).split('/')[0] ?? '')
    if (surplus <= 0 && now - at < retention.ms) break
    surplus--
    await dropEnded(parts, key, at, signal)
  }
}

/** Drops what is kept of a task that ended, or was given up, at a time. */
async function dropEnded({ entries, tasks }: Parts, key: string, at: number, signal: AbortSignal): Promise<void> {
  const { records } = entries
  const id = idIn(key)
  const found = await entries.read(id, signal)
  if (found !== undefined && keysOf(found.entry).includes(key)) await entries.drop(found, signal)
  const task = found === undefined || found.entry.state === 'dead' ? await tasks.read(id, signal) : undefined
  // One that was begun again and ended later is dropped by that end.
  if (task !== undefined && task.task.updatedAt <= at + againMs) await deleteRecord(records, taskKey(id), signal)
  await deleteRecord(records, key, signal)
}

/** Keys below a prefix. */
export async function countBelow(records: Records, prefix: string, signal: AbortSignal): Promise<number> {
  let count = 0
  for await (const _ of listRecords(records, prefix, signal)) count++
  return count
}

/** Whether it is this process that sweeps now: of many that work, one does so a minute. */
export async function takeTurn(records: Records, signal: AbortSignal): Promise<boolean> {
  const now = await storeNow(records, signal)
  const found = await readRecord(records, sweptKey, signal)
  const at = found === undefined ? 0 : decodeRecord<{ at: number }>(sweptKey, found.value).at
  // A time that lies ahead is of a clock that was wrong.
  if (at <= now && at > now - sweepMs / 2) return false
  const value = encodeRecord({ at: now, nonce: records.random.id(records.clock.now()) })
  try {
    await writeRecord(records, sweptKey, value, found?.revision ?? null, signal)
    return true
  } catch (error) {
    if (hasCode(error, 'conflict')) return false
    throw error
  }
}
