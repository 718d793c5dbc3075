import { createHash } from 'node:crypto'
import type { SyncTask } from '@stowage/core'
import type { LeaseRecord } from '../state/index.ts'
import type { QueuedTask } from './types.ts'

/** What a step of priority is worth, in milliseconds of waiting. */
const PRIORITY_STEP_MS = 300_000

/** The queue's record of a task: its truth, changed by compare-and-swap alone. */
export interface QueueEntry {
  id: string
  /** Counts the changes of state. */
  sequence: number
  /** Makes every write another one, so that one whose answer was lost can be told. */
  nonce: string
  state: QueuedTask['state']
  priority: number
  /** Milliseconds since the epoch, by the store's clock. */
  dueAt: number
  /** When its state changed last, by the same clock. */
  since: number
  /** Whether it was not due when it began to wait. */
  delayed: boolean
  /** Hash of the caller's key. */
  key?: string
  /** Runs that failed. */
  attempts: number
  maxAttempts: number
  /** Whether a worker has ever taken it. */
  begun: boolean
  /** Workers that died over it, one after the other, without getting any further. */
  deaths: number
  /** How far it had come when the last one died. */
  reached?: string
  /** Who works on it. */
  lease?: LeaseRecord
  /** What its worker is asked for. */
  asked?: 'pause' | 'cancel'
  reason?: { code: string; message: string }
  /** As it was asked for. */
  task: SyncTask
}

export const entryPrefix = 'queue/entry/'
export const waitPrefix = 'queue/wait/'
export const laterPrefix = 'queue/later/'
export const runPrefix = 'queue/run/'
export const heldPrefix = 'queue/held/'
export const deadPrefix = 'queue/dead/'
export const endedPrefix = 'queue/ended/'
/** Running tasks that have partitions for idle workers. */
export const helpPrefix = 'queue/help/'
/** When the queue was swept last. */
export const sweptKey = 'queue/swept'

export function entryKey(id: string): string {
  return `${entryPrefix}${id}`
}

/** The record that says which task a caller's key stands for. */
export function keyRecord(hash: string): string {
  return `queue/key/${hash}`
}

/** The record of the slots of a source. */
export function slotsKey(sourceId: string): string {
  return `queue/slots/${hashOf(sourceId)}`
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** Order among tasks that are due: smaller is sooner. It never changes while a task waits, so nothing starves. */
export function rankOf({ dueAt, priority }: QueueEntry): number {
  return dueAt - priority * PRIORITY_STEP_MS
}

/** Tasks between the same sources wait in one lane, so that a lane whose sources are busy is passed over as a whole. */
function laneOf({ task }: QueueEntry): string {
  return hashOf(JSON.stringify([task.sourceId, task.targetId]))
}

/** Times as text that sorts as they do. Ranks may lie before 1970 where clocks begin there. */
function timeText(ms: number): string {
  return String(Math.max(0, Math.round(ms) + 1e12)).padStart(16, '0')
}

export function timeOf(text: string): number {
  return Number(text) - 1e12
}

/**
 * The one key under which a task is found as long as it is in this state. The number of the state is in it, so one that does not match the
 * record is left over and may go.
 */
export function indexKey(entry: QueueEntry): string {
  const name = `${entry.id}.${entry.sequence}`
  if (entry.state === 'running') return `${runPrefix}${name}`
  if (entry.state === 'paused') return `${heldPrefix}${name}`
  if (entry.state === 'dead') return `${deadPrefix}${timeText(entry.since)}/${name}`
  if (entry.state !== 'waiting') return `${endedPrefix}${timeText(entry.since)}/${policyOf(entry)}${name}`
  return entry.delayed
    ? `${laterPrefix}${timeText(entry.dueAt)}/${timeText(rankOf(entry))}/${laneOf(entry)}/${name}`
    : waitKey(laneOf(entry), timeText(rankOf(entry)), name)
}

/** Tasks of policies that have ended say whose they are, so that it is known without reading them. */
function policyOf({ task }: QueueEntry): string {
  return task.noted === true && task.policyId !== undefined ? `${hashOf(task.policyId)}/` : ''
}

/** When a task ended, and the policy that it was of, as its key tells. */
export function endedAt(key: string): { at: number; policy?: string } {
  const [at = '', ...rest] = key.slice(endedPrefix.length).split('/')
  const [policy, name] = rest
  return { at: timeOf(at), ...(policy === undefined || name === undefined ? {} : { policy }) }
}

function waitKey(lane: string, rank: string, name: string): string {
  return `${waitPrefix}${lane}/${rank}/${name}`
}

/** The key under which a task that was not due waits once it is. */
export function dueKey(later: string): { dueAt: number; key: string } {
  const [due = '', rank = '', lane = '', name = ''] = later.slice(laterPrefix.length).split('/')
  return { dueAt: timeOf(due), key: waitKey(lane, rank, name) }
}

/** A waiting task, as its key tells of it. */
export interface Waiting {
  lane: string
  rank: number
  id: string
  key: string
}

export function waitingAt(key: string): Waiting {
  const [lane = '', rank = '', name = ''] = key.slice(waitPrefix.length).split('/')
  return { lane, rank: timeOf(rank), id: idIn(name), key }
}

/** The id of the task that an index key names. */
export function idIn(key: string): string {
  const name = key.slice(key.lastIndexOf('/') + 1)
  return name.slice(0, name.lastIndexOf('.'))
}

/** Every key under which the record may be found now: a task that was not due may have been moved to those that are. */
export function keysOf(entry: QueueEntry): string[] {
  const key = indexKey(entry)
  return entry.state === 'waiting' && entry.delayed ? [key, dueKey(key).key] : [key]
}
