import { hasCode, StowageError, type SyncTask } from '@stowage/core'
import type { NewTask, QueueDepth, QueuedTask, Sync, SyncResult, TaskService } from '@stowage/sync'
import type { PolicyTasks, ReplicationOptions } from '../policies/index.ts'
import type { Sources } from '../sources/index.ts'

/** What the tasks of a Stowage are made of. */
export interface TasksParts {
  sync: Sync
  sources: Sources
  queue: TaskService
  policies: PolicyTasks
  again: (task: SyncTask, options: ReplicationOptions) => Promise<SyncResult>
}

/** The tasks of a catalog: what waits, what is running, what was synced, what failed. */
export class Tasks {
  readonly #parts: TasksParts

  constructor(parts: TasksParts) {
    this.#parts = parts
  }

  /**
   * Puts a task into the queue, for a worker of any process. When this returns it is in the catalog, and nothing that crashes later forgets it.
   *
   * @throws StowageError `invalid-request` naming the field that is wrong, `configuration` for a source that there is not
   * @example
   * ```ts
   * const task = await stowage.tasks.enqueue({ sourceId: 'disk', sourcePrefix: 'raw/', targetId: 'lan', targetPrefix: 'raw/' })
   * ```
   */
  async enqueue(task: NewTask): Promise<SyncTask> {
    const { queue, sources } = this.#parts
    await sources.fresh()
    for (const id of [task.sourceId, task.targetId]) sources.get(id)
    return await queue.enqueue(task)
  }

  /** The newest tasks, newest first. @param options.limit how many, 50 by default */
  async list(options: { limit?: number } = {}): Promise<SyncTask[]> {
    const limit = options.limit ?? 50
    const newest: SyncTask[] = []
    for await (const task of this.#parts.sync.tasks.list()) {
      newest.push(task)
      if (newest.length > 2 * limit) newest.splice(0, newest.length - limit)
    }
    return newest.slice(-limit).reverse()
  }

  /** @throws StowageError `not-found` */
  async get(id: string): Promise<SyncTask> {
    const task = await this.#parts.sync.tasks.get(id)
    if (task !== undefined) return task
    throw new StowageError('not-found', `There is no task "${id}".`, { hint: 'stowage task list shows them.' })
  }

  /** What the queue knows of a task; `undefined` when it has ended, or never was in the queue. */
  queued(id: string): Promise<QueuedTask | undefined> {
    return this.#parts.queue.state(id)
  }

  /** How many tasks of the queue are in which state. */
  depth(): Promise<QueueDepth> {
    return this.#parts.queue.depth()
  }

  /** Tasks that were given up, the oldest first, each with the reason as its error. */
  dead(): AsyncIterable<SyncTask> {
    return this.#parts.queue.dead()
  }

  /**
   * Asks for a task to be stopped for good; whoever runs it does so within about a second, and throws its unfinished uploads away. One of the
   * queue that nobody runs is ended by the next free worker, any other one here and now.
   * @throws StowageError `not-found`, or of a store that does not let its uploads be aborted
   */
  async cancel(id: string): Promise<void> {
    const { queue, sources, sync } = this.#parts
    await queue.cancel(id)
    if ((await queue.state(id)) !== undefined) return
    const { status, sourceId, sourcePrefix, targetId, targetPrefix, options } = await this.get(id)
    if (status === 'success' || status === 'failed' || status === 'cancelled') return
    const from = { adapter: { id: sourceId }, prefix: sourcePrefix }
    await sync
      .forgetUploads({
        ...options,
        from: options?.twoWay === true ? await sources.location(`${sourceId}:${sourcePrefix}`) : from,
        to: await sources.location(`${targetId}:${targetPrefix}`),
        taskId: id,
      })
      .catch((error: unknown) => {
        // Whoever runs it sees to that.
        if (!hasCode(error, 'lease-held')) throw error
      })
  }

  /** Stops a task of the queue until it is resumed; it keeps what it has done. @throws StowageError `not-found`, `conflict` when it has ended */
  pause(id: string): Promise<void> {
    return this.#parts.queue.pause(id)
  }

  /** @throws StowageError `not-found`, `conflict` when it has ended */
  resume(id: string): Promise<void> {
    return this.#parts.queue.resume(id)
  }

  /**
   * Lets a task be done again by a worker, under its id: at once, and with all its tries. That of a policy looks at everything.
   * @throws StowageError `not-found`, `conflict` when it is running, is paused, or is that of a policy which has another one in the queue by now
   */
  async requeue(id: string): Promise<void> {
    const { queue, policies } = this.#parts
    const task = await this.get(id)
    await (task.noted === true ? policies.retry(task) : queue.retry(id))
  }

  /**
   * Runs a task again, here and now, that failed or was stopped: a replication with the version it was for, a plain sync with the options it had.
   * @throws StowageError `not-found`, or `lease-held` when it is running
   */
  async retry(id: string, options: ReplicationOptions = {}): Promise<SyncResult> {
    return this.#parts.again(await this.get(id), options)
  }
}
