import { Events, type StowageEvents, type SyncStore, type SyncTask } from '@stowage/core'
import { onTestFinished, vi } from 'vitest'
import {
  createTaskQueue,
  type NewTask,
  type TaskCarrier,
  type TaskQueueOptions,
  type TaskService,
  type WorkOptions,
} from '../../queue/index.ts'
import type { SyncResult } from '../../run/index.ts'
import { createTasks, type Owner } from '../../state/index.ts'
import { fakeOwner } from '../fixtures.ts'
import { LeapClock } from './clock.ts'

/** A queue on data of its own, made for one test. */
export interface TaskQueueUnderTest {
  store: SyncStore
  /** Makes one more carrier on the same data, as another process has it. Left out where the store is all there is. */
  carrier?(): Promise<TaskCarrier>
  /** Time was put forward: the carrier's must go with it. */
  leap?(): Promise<void>
  cleanup(): Promise<void>
}

/** Several processes on one queue, in one process. */
export class Bench {
  readonly clock: LeapClock = new LeapClock()
  readonly store: SyncStore
  readonly alerts: StowageEvents['alert'][] = []
  /** The process ids that have died. */
  readonly dead: Set<number> = new Set()
  readonly #made: TaskQueueUnderTest
  readonly #works: { stop: AbortController; done: Promise<void> }[] = []
  readonly #services: TaskService[] = []
  #pid = 0

  private constructor(made: TaskQueueUnderTest) {
    this.#made = made
    this.store = this.clock.on(made.store)
  }

  static async make(create: () => Promise<TaskQueueUnderTest>): Promise<Bench> {
    const made = await create()
    const bench = new Bench(made)
    onTestFinished(async () => {
      await bench.stop()
      for (const service of bench.#services) await service.close()
      await made.cleanup()
    })
    return bench
  }

  /** The queue as another process has it. */
  async service(
    options: { store?: SyncStore; owner?: Owner; retention?: NonNullable<TaskQueueOptions['retention']> } = {},
  ): Promise<TaskService> {
    const events = new Events()
    events.on('alert', (alert) => this.alerts.push(alert))
    const carrier = await this.#made.carrier?.()
    const service = createTaskQueue({
      store: options.store ?? this.store,
      clock: this.clock,
      events,
      owner: options.owner ?? this.owner(),
      ...(options.retention === undefined ? {} : { retention: options.retention }),
      ...(carrier === undefined ? {} : { carrier }),
    })
    this.#services.push(service)
    return service
  }

  async leap(ms: number): Promise<void> {
    this.clock.leap(ms)
    await this.#made.leap?.()
  }

  owner(): Owner {
    return fakeOwner(++this.#pid, (pid) => !this.dead.has(pid))
  }

  /** Works until the test ends or the answer is called. */
  work(service: TaskService, options: Omit<WorkOptions, 'signal'>): () => Promise<void> {
    const stop = new AbortController()
    const done = service.work({ ...options, signal: stop.signal })
    this.#works.push({ stop, done })
    return async () => {
      stop.abort()
      await done
    }
  }

  async stop(): Promise<void> {
    for (const { stop } of this.#works) stop.abort()
    await Promise.all(this.#works.map(({ done }) => done))
  }

  /** A task's own record. */
  task(id: string): Promise<SyncTask | undefined> {
    return createTasks({ store: this.store, clock: this.clock, random: { next: Math.random, id: String } }).get(id)
  }
}

/** A task between two sources that need not exist. */
export function someTask(change: Partial<NewTask> = {}): NewTask {
  return { sourceId: 'a', sourcePrefix: 'x/', targetId: 'b', targetPrefix: 'y/', ...change }
}

/** What a run gives that copied nothing. */
export function endedAs(task: SyncTask, status: SyncResult['status'], change: Partial<SyncResult> = {}): SyncResult {
  const objects = { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 }
  const bytes = { transferred: 0, total: 0, resumed: 0 }
  return { taskId: task.id, status, objects, bytes, seconds: 0, errors: [], warnings: [], ...change }
}

/** Makes an empty queue with its clock and what is seen of it. */
export type Fresh = () => Promise<Bench>

/** Waits until this is so: what workers do in the background is not told. */
export function until(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 120_000, interval: 20 })
}

/** Resolves when the signal fires. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
