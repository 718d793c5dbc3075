import { StowageError, type SyncTask } from '@stowage/core'
import type { Sync, SyncResult } from '@stowage/sync'
import type { ReplicationOptions } from '../policies/index.ts'

/** The tasks of a catalog: what was synced, what is running, what failed. */
export class Tasks {
  readonly #sync: Sync
  readonly #again: (task: SyncTask, options: ReplicationOptions) => Promise<SyncResult>

  constructor(sync: Sync, again: (task: SyncTask, options: ReplicationOptions) => Promise<SyncResult>) {
    this.#sync = sync
    this.#again = again
  }

  /** The newest tasks, newest first. @param options.limit how many, 50 by default */
  async list(options: { limit?: number } = {}): Promise<SyncTask[]> {
    const limit = options.limit ?? 50
    const newest: SyncTask[] = []
    for await (const task of this.#sync.tasks.list()) {
      newest.push(task)
      if (newest.length > 2 * limit) newest.splice(0, newest.length - limit)
    }
    return newest.slice(-limit).reverse()
  }

  /** @throws StowageError `not-found` */
  async get(id: string): Promise<SyncTask> {
    const task = await this.#sync.tasks.get(id)
    if (task !== undefined) return task
    throw new StowageError('not-found', `There is no task "${id}".`, { hint: 'stowage task list shows them.' })
  }

  /**
   * Asks for a task to be stopped for good; whoever runs it does so within about a second.
   * @throws StowageError `not-found`
   */
  cancel(id: string): Promise<void> {
    return this.#sync.tasks.cancel(id)
  }

  /**
   * Runs a task again that failed or was stopped: a replication with the version it was for, a plain sync with the options it had.
   * @throws StowageError `not-found`, or `lease-held` when it is running
   */
  async retry(id: string, options: ReplicationOptions = {}): Promise<SyncResult> {
    return this.#again(await this.get(id), options)
  }
}
