import type { SyncTask, SyncTaskOptions } from '@stowage/core'
import type { SyncResult } from '../run/index.ts'

/** What is to be done: a sync from one folder to another, by the ids of their sources. */
export interface NewTask {
  /**
   * The task's id, for one that may be asked for again: where it is in the queue or has ended, it is given back and nothing is added.
   * @defaultValue a new one
   */
  id?: string
  sourceId: string
  sourcePrefix: string
  targetId: string
  targetPrefix: string
  options?: SyncTaskOptions
  datasetId?: string
  version?: number
  policyId?: string
  /** See {@link SyncTask.noted}. */
  noted?: true
  /**
   * Larger is sooner, from -100 to 100. Each step is worth five minutes of waiting: a task of priority 2 goes before those of 0 that came less
   * than ten minutes earlier. So nothing waits for ever behind what is more urgent.
   * @defaultValue 0
   */
  priority?: number
  /** Not before, in milliseconds since the epoch, by the store's clock. @defaultValue at once */
  notBefore?: number
  /** While a task with this key waits and has not begun, it is given back and nothing is added: many events, one task. */
  key?: string
  /** Runs of it at most, when they fail with what may pass. @defaultValue 3 */
  maxAttempts?: number
}

/** How a worker shares a large task with others; `join` and `onPartitions` are to be given on to `sync.run` as the options of these names. */
export interface Hands {
  /** Another worker has the task: this one is to help with its partitions. */
  join: boolean
  /** Lets idle workers come and help. */
  onPartitions: (open: number) => void
  /** Fires when the task is to be cancelled. A sync that has the task's id sees to that by itself. */
  cancelled?: AbortSignal
}

/** How tasks are worked on. */
export interface WorkOptions {
  /**
   * Does one task; give its id on to the sync, so that its record is the same. Stops and gives status `paused` soon after the signal fires.
   */
  run: (task: SyncTask, signal: AbortSignal, hands: Hands) => Promise<SyncResult>
  /** Tasks at a time in this process; one that has none helps with a large one of another process. @defaultValue 4 */
  concurrency?: number
  /** Tasks at a time that read from or write to one source, in all processes together. @defaultValue no limit */
  perSource?: number
  /** Ends the work: what runs is paused, and goes on with the next worker. */
  signal: AbortSignal
}

/** How many tasks are in which state. */
export interface QueueDepth {
  /** Due, and not begun. */
  waiting: number
  running: number
  /** Not due yet: asked for later, or waiting for another try. */
  delayed: number
  paused: number
  /** Given up; {@link TaskService.retry} lets them go on. */
  dead: number
}

/** What the queue knows of a task, beside its record. */
export interface QueuedTask {
  id: string
  state: 'waiting' | 'running' | 'paused' | 'dead' | 'done' | 'cancelled'
  priority: number
  /** Milliseconds since the epoch, by the store's clock. */
  dueAt: number
  /** Runs that failed. */
  attempts: number
  maxAttempts: number
  /** Who runs it. */
  worker?: { host: string; pid: number }
  /** Why it is dead, or waits for another try. */
  reason?: { code: string; message: string }
}

/**
 * Tasks that wait, run and end, by any number of workers in any number of processes on one store.
 *
 * The truth is in the store: a task is in it before {@link TaskService.enqueue} returns, and whoever works on it has it under a lease. Each task
 * ends once, as done, cancelled or dead; a task whose worker died is run again and goes on where that one stopped.
 */
export interface TaskService {
  /** @throws StowageError `invalid-request` naming the field that is wrong */
  enqueue(task: NewTask): Promise<SyncTask>
  /**
   * A waiting task stays where it is until it is resumed; a running one stops within a few seconds and keeps what it has done.
   * @throws StowageError `not-found`, `conflict` when it has ended
   */
  pause(id: string): Promise<void>
  /** @throws StowageError `not-found`, `conflict` when it has ended */
  resume(id: string): Promise<void>
  /**
   * Ends a task for good, and throws its unfinished uploads away. One that has begun does so itself: a running one within a few seconds, another
   * one when a worker next takes it. Of one that has ended, nothing is changed.
   * @throws StowageError `not-found`
   */
  cancel(id: string): Promise<void>
  /**
   * Lets a task that is dead or has ended be done again, and one that waits for its time at once.
   * @throws StowageError `not-found`, `conflict` when it is running
   */
  retry(id: string): Promise<void>
  /** Tasks that were given up, the oldest first, each with the reason as its error. */
  dead(): AsyncIterable<SyncTask>
  /** What the queue knows of a task; `undefined` when it has ended or never was in it. */
  state(id: string): Promise<QueuedTask | undefined>
  /** Works until the signal fires and what runs has stopped. It survives a store or a carrier that is away. */
  work(options: WorkOptions): Promise<void>
  /** Does one task here and now, if it waits, is due and its sources have room; otherwise it stays where it is. */
  perform(id: string, options: Omit<WorkOptions, 'concurrency'>): Promise<void>
  /** Puts back what a crash or the carrier forgot, and drops old tasks that have ended. Workers do so by themselves. @returns how many were put back */
  sweep(): Promise<number>
  depth(): Promise<QueueDepth>
  /**
   * Asks the server that the carrier goes through, such as Redis, for an answer; `undefined` where there is none. Tasks are safe without it.
   * @throws StowageError `unavailable`, `timeout` after five seconds
   */
  ping(): Promise<void> | undefined
  /** Gives the carrier's connections back. */
  close(): Promise<void>
}

/** Tells of a task that can be taken. */
export interface Ticket {
  id: string
  /** Which of the task's waits this is for: a carrier may drop a second ticket of the same. */
  sequence: number
  /** Order among what is due: smaller is sooner. Milliseconds. */
  rank: number
  /** Milliseconds until it is due. */
  delay: number
}

/** What became of a ticket. */
export type Handled =
  /** The task was taken, or needs this ticket no more. */
  | { kind: 'over' }
  /** The task was given up. */
  | { kind: 'dead'; reason: string }
  /** The task cannot be taken now; to be tried again after so many milliseconds. `full`: for want of a slot of its sources. */
  | { kind: 'later'; ms: number; full: boolean }

/** What a carrier works with. */
export interface CarrierWork {
  concurrency: number
  signal: AbortSignal
  /** Never throws. @param key of the store under which the task was found, when it was found there */
  handle(id: string, key?: string): Promise<Handled>
  /** Called when the carrier is back after it was away, so that what it may have lost meanwhile is looked for at once. Never throws. */
  back?(): void
}

/**
 * Brings the ids of tasks to workers. It owns nothing: tickets that it loses are put back by the sweep, and those that it brings twice are
 * dropped.
 */
export interface TaskCarrier {
  /** Offers tickets. @throws StowageError `unavailable` when that failed; the tasks are safe in the store */
  send(tickets: readonly Ticket[]): Promise<void>
  /** Hands tickets to {@link CarrierWork.handle} until the signal fires and the last of them has returned. */
  consume(work: CarrierWork): Promise<void>
  /** Whether it has fewer tickets than there are tasks waiting, so that they must be sent again. */
  lacks(waiting: number): Promise<boolean>
  /** Asks the server that it goes through for an answer; absent where there is none. @throws StowageError `unavailable`, `timeout` */
  ping?(): Promise<void>
  close(): Promise<void>
}
