import { StowageError, type SyncTask, toStowageError } from '@stowage/core'
import type { SyncResult } from '../run/index.ts'
import { deleteRecord, forgetCancel, isHeld, newLease, type Owner, requestCancel, storeNow } from '../state/index.ts'
import type { Entries, Found } from './entries.ts'
import { keysOf, type QueueEntry } from './entry.ts'
import { EntryLease } from './entry-lease.ts'
import { Invitation } from './invitation.ts'
import { type Ended, knownCode, nextState } from './outcome.ts'
import { Slots } from './slots.ts'
import type { TaskRecords } from './task-records.ts'
import type { Handled, Hands, WorkOptions } from './types.ts'

/** Workers that die over a task one after the other, without getting any further, before it is given up. */
const mostDeaths = 20

/** Wait for a place at a source, in milliseconds. */
const fullMs = 2000

const never = new AbortController().signal

/** What a worker works with. */
export interface WorkerParts {
  entries: Entries
  tasks: TaskRecords
  owner: Owner
  clean: (words: string) => string
  /** Told of tasks that wait again, so that somebody takes them. */
  offer: (entry: QueueEntry, now: number) => Promise<void>
  alert: (error: unknown, what: string, taskId?: string) => void
}

/** Takes tasks and does them, one call a task. */
export class Worker {
  readonly #parts: WorkerParts
  readonly #options: WorkOptions
  readonly #slots: Slots
  #busy = 0

  constructor(parts: WorkerParts, options: WorkOptions) {
    this.#parts = parts
    this.#options = options
    this.#slots = new Slots(parts.entries, parts.owner)
  }

  /** Whether it does nothing at all. */
  get idle(): boolean {
    return this.#busy === 0
  }

  /** Does the task of a ticket, unless it is done, taken or not due. Never throws. @param key by which it was found in the store, if it was */
  async handle(id: string, key?: string): Promise<Handled> {
    const { entries, alert } = this.#parts
    const { signal } = this.#options
    try {
      if (signal.aborted) return later(0)
      const found = await entries.read(id, signal)
      if (key !== undefined && (found === undefined || !keysOf(found.entry).includes(key))) {
        // Left over by a crash, or by somebody who is just about to remove it. Who runs it is looked after by its lease.
        if (found?.entry.state === 'waiting') await entries.mend(found, key, signal)
        else await deleteRecord(entries.records, key, signal)
        if (found?.entry.state === 'running') return { kind: 'over' }
      }
      if (found === undefined) return { kind: 'over' }
      const asked = entries.records.clock.now()
      const now = await storeNow(entries.records, signal)
      const free = this.#free(found.entry, now)
      if (free !== undefined) return free
      if (found.entry.state === 'running') {
        const back = await takeBack(this.#parts, found, now, signal)
        return back?.entry.state === 'waiting' ? await this.#take(back, asked, now) : { kind: 'over' }
      }
      return await this.#take(found, asked, now)
    } catch (error) {
      if (!signal.aborted) alert(error, 'A task could not be taken', id)
      return later(5000)
    }
  }

  /** Why a task cannot be taken; `undefined` when it can. */
  #free(entry: QueueEntry, now: number): Handled | undefined {
    // What was to be done at once is due, whatever a clock said that was ahead then.
    if (entry.state === 'waiting') return entry.delayed && entry.dueAt > now ? later(entry.dueAt - now) : undefined
    if (entry.state !== 'running' || entry.lease === undefined) return { kind: 'over' }
    if (isGone(entry, this.#parts.owner, now)) return undefined
    return later(Math.max(1000, entry.lease.expiresAt - now))
  }

  async #take(found: Found, asked: number, now: number): Promise<Handled> {
    const { entries, owner } = this.#parts
    const { perSource, signal } = this.#options
    const { entry } = found
    const places = perSource === undefined ? undefined : await this.#slots.take(entry, perSource, now, signal)
    if (perSource !== undefined && places === undefined) return { kind: 'later', ms: fullMs, full: true }
    let taken: Found | undefined
    this.#busy++
    try {
      const lease = newLease(entries.records, owner, now)
      const keep = { ...(entry.asked === undefined ? {} : { asked: entry.asked }) }
      taken = await entries.move(found, { state: 'running', since: now, begun: true, lease, ...keep }, signal)
      if (taken === undefined) return { kind: 'over' }
      return await this.#perform(taken, asked)
    } finally {
      this.#busy--
      await places?.(never)
    }
  }

  async #perform(taken: Found, asked: number): Promise<Handled> {
    const { entries, owner, clean, tasks, offer } = this.#parts
    const { records } = entries
    const { signal } = this.#options
    const [pause, cancel] = [new AbortController(), new AbortController()]
    if (taken.entry.asked === 'cancel') cancel.abort()
    const onAsked = (what: 'pause' | 'cancel'): void => (what === 'pause' ? pause : cancel).abort()
    const lease = new EntryLease(entries, owner, taken, asked, onAsked)
    const invitation = new Invitation(entries, taken.entry, (error) =>
      this.#parts.alert(error, 'Other workers could not be asked to help', taken.entry.id),
    )
    let over: Found | undefined
    try {
      const stop = AbortSignal.any([signal, pause.signal, lease.signal])
      const hands = { join: false, onPartitions: invitation.tell, cancelled: cancel.signal }
      const ended = await this.#run(taken.entry, stop, hands)
      await invitation.end()
      const now = await storeNow(records, never)
      over = await lease.end(tasks, (entry) => nextState(entry, ended, now, records.random, clean), never)
    } finally {
      // When the store is away, the lease must not be renewed for a task that nobody works on any more.
      await lease.abandon()
    }
    if (over === undefined) return { kind: 'over' }
    const { entry } = over
    const wasAsked = lease.entry.asked === 'cancel'
    if (wasAsked && entry.state !== 'waiting' && entry.state !== 'paused') await forgetCancel(records, entry.id, never)
    if (entry.state === 'waiting') await offer(entry, entry.since)
    if (entry.state !== 'dead') return { kind: 'over' }
    const reason = `${entry.reason?.code}: ${entry.reason?.message}`
    this.#parts.alert(new StowageError(knownCode(entry.reason?.code), reason), 'A task was given up', entry.id)
    return { kind: 'dead', reason }
  }

  async #run(entry: QueueEntry, signal: AbortSignal, hands: Hands): Promise<Ended> {
    const { entries, tasks } = this.#parts
    try {
      const task = (await tasks.read(entry.id, signal))?.task ?? entry.task
      // Its worker died after the last byte and before it could say so.
      if (task.status === 'success') return { result: finished(task, 'success') }
      if (entry.asked === 'cancel') {
        if (task.status === 'cancelled') return { result: finished(task, 'cancelled') }
        await requestCancel(entries.records, entry.id, signal)
      }
      return { result: await this.#options.run(task, signal, hands) }
    } catch (error) {
      return { error: toStowageError(error, signal) }
    }
  }
}

/** Whether whoever runs a task is gone. */
export function isGone({ lease }: QueueEntry, owner: Owner, now: number): boolean {
  return !isHeld(lease, owner, now)
}

/**
 * Takes a task from a worker that is gone: it waits again, and is due at once. One over which worker after worker died is given up.
 * @returns undefined when somebody else was first
 */
export async function takeBack(
  { entries, tasks }: Pick<WorkerParts, 'entries' | 'tasks'>,
  found: Found,
  now: number,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { entry } = found
  const known = await tasks.read(entry.id, signal)
  const task = known?.task ?? entry.task
  const reached = `${task.transferredSize}/${task.objects.copied}/${task.objects.skipped}/${task.resumedSize}`
  const deaths = entry.reached === reached ? entry.deaths + 1 : 1
  const keep = entry.asked === undefined ? {} : { asked: entry.asked }
  const change: Partial<QueueEntry> =
    deaths >= mostDeaths
      ? givenUp(entry, deaths, now)
      : entry.asked === 'pause'
        ? { state: 'paused', since: now }
        : { state: 'waiting', since: now, dueAt: now, delayed: false, ...keep }
  if (task.status !== 'success' && task.status !== 'cancelled') await tasks.tell({ ...entry, ...change }, known, signal)
  const moved = await entries.move(found, { ...change, deaths, reached }, signal)
  if (moved?.entry.state === 'cancelled') await forgetCancel(entries.records, entry.id, signal)
  return moved
}

/** What becomes of a task over which its workers died: one that was to be cancelled is. */
function givenUp({ asked }: QueueEntry, deaths: number, now: number): Partial<QueueEntry> {
  if (asked === 'cancel') return { state: 'cancelled', since: now }
  return { state: 'dead', since: now, reason: { code: 'internal', message: `Its worker died ${deaths} times.` } }
}

function later(ms: number): Handled {
  return { kind: 'later', ms, full: false }
}

function finished(task: SyncTask, status: 'success' | 'cancelled'): SyncResult {
  return {
    taskId: task.id,
    status,
    objects: task.objects,
    bytes: { transferred: task.transferredSize, total: task.totalSize, resumed: task.resumedSize },
    seconds: 0,
    errors: [],
    warnings: [],
  }
}
