import { hasCode } from '@stowage/core'
import { deleteRecord, listRecords, storeNow } from '../state/index.ts'
import type { Entries } from './entries.ts'
import { helpPrefix, idIn, type QueueEntry } from './entry.ts'
import { helpKey } from './invitation.ts'
import type { WorkOptions } from './types.ts'
import { isGone, type WorkerParts } from './worker.ts'

/** How often an idle worker looks whether another one wants help, in milliseconds. */
export const helpMs = 2000

/** How often a helper looks whether the task was paused or has ended, in milliseconds. */
const lookMs = 1000

/** How long a task that could not be helped is left alone, in milliseconds. */
const laterMs = 60_000

/** Lets an idle worker help with the tasks of others. */
export class Helper {
  readonly #parts: WorkerParts
  readonly #options: WorkOptions
  readonly #idle: () => boolean
  /** Invitations that could not be followed, and until when they are left alone, by the machine's clock. */
  readonly #later = new Map<string, number>()

  /** @param idle whether the worker has nothing to do of its own */
  constructor(parts: WorkerParts, options: WorkOptions, idle: () => boolean) {
    this.#parts = parts
    this.#options = options
    this.#idle = idle
  }

  /** Helps with the tasks that have partitions for others, one after the other. What is wrong with one holds up none of the others. */
  async helpAll(): Promise<void> {
    const { entries } = this.#parts
    const { signal } = this.#options
    const seen = new Set<string>()
    for await (const key of listRecords(entries.records, helpPrefix, signal)) {
      if (!this.#idle() || signal.aborted) return
      seen.add(key)
      if (this.#isLater(key)) continue
      await this.#follow(key)
    }
    for (const key of this.#later.keys()) if (!seen.has(key)) this.#later.delete(key)
  }

  #isLater(key: string): boolean {
    const until = this.#later.get(key)
    if (until === undefined) return false
    const left = until - this.#parts.entries.records.clock.now()
    // A clock that was set back holds nobody up.
    return left > 0 && left <= laterMs
  }

  async #follow(key: string): Promise<void> {
    const { entries, tasks, owner, alert } = this.#parts
    const { records } = entries
    const { signal } = this.#options
    const id = idIn(key)
    try {
      const entry = (await entries.read(id, signal))?.entry
      // Left over by a worker that died.
      if (entry === undefined || key !== helpKey(entry) || entry.state !== 'running')
        return await deleteRecord(records, key, signal)
      // On its way back to the queue, or about to stop.
      if (isGone(entry, owner, await storeNow(records, signal)) || entry.asked !== undefined) return
      await this.#help(entry, (await tasks.read(id, signal))?.task ?? entry.task)
    } catch (error) {
      if (signal.aborted || hasCode(error, 'aborted', 'lease-lost')) return
      this.#later.set(key, records.clock.now() + laterMs)
      // One of a newer version is for newer workers, and one that was asked for something else cannot be joined.
      if (!hasCode(error, 'lease-held', 'newer-format')) alert(error, 'A task could not be helped', id)
    }
  }

  async #help({ id }: QueueEntry, task: QueueEntry['task']): Promise<void> {
    const { run, signal } = this.#options
    const over = new AbortController()
    const ended = new AbortController()
    const watching = watch(this.#parts.entries, id, over, ended.signal)
    try {
      await run(task, AbortSignal.any([signal, over.signal]), { join: true, onPartitions: () => undefined })
    } finally {
      ended.abort()
      await watching
    }
  }
}

/**
 * Ends the help when the task was paused or has ended. That its worker died is no reason: the help goes on with what it has, and brings the task
 * to its end if need be.
 */
async function watch(entries: Entries, id: string, over: AbortController, ended: AbortSignal): Promise<void> {
  while (!ended.aborted && !over.signal.aborted) {
    try {
      await entries.records.clock.sleep(lookMs, ended)
      const now = (await entries.read(id, ended))?.entry
      const goesOn = now?.state === 'running' || now?.state === 'waiting'
      if (!goesOn || now?.asked === 'pause') over.abort()
    } catch {
      // A store that is away for a moment: the help itself cannot go on without it for long either.
    }
  }
}
