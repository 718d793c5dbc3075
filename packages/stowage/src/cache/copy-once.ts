import {
  hasCode,
  type ReplicaName,
  type ReplicaStatus,
  StowageError,
  type SyncProgress,
  type SyncTask,
  toStowageError,
} from '@stowage/core'
import type { SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'

/** Copies a version to a source; one process at a time does it, and others get `lease-held`. */
export type Copy = (
  replica: ReplicaName,
  options: { signal: AbortSignal; onProgress: (progress: SyncProgress) => void },
) => Promise<SyncResult>

/** One who waits for a copy. */
export interface Joined {
  /** Ends when the copy is ready. */
  done: Promise<void>
  /** Waits no more; the copy is stopped when nobody waits for it. */
  leave(): void
  /** Waits no more, and has the copy go on. */
  forgetProgress(): void
}

interface Running {
  replica: ReplicaName
  done: Promise<void>
  stop: AbortController
  listeners: Set<(progress: SyncProgress) => void>
  waiting: number
  /** Somebody's deadline came first: it goes on for its own sake. */
  goesOn: boolean
}

/** How often a copy that another process makes is looked at, and searched for, and pauses after failures; milliseconds. */
const LOOK_MS = 500
const SEARCH_MS = 10_000
const [FIRST_PAUSE, LONGEST_PAUSE] = [1000, 30_000]

/** Tries of a copy that fails, before those who wait are told. */
const TRIES = 5

/** One copy, however many ask for it: those of this process share it, and one that another process makes is waited for. */
export class CopyOnce {
  readonly #context: Context
  readonly #copy: Copy
  readonly #running = new Map<string, Running>()

  constructor(context: Context, copy: Copy) {
    this.#context = context
    this.#copy = copy
  }

  /** Waits for a copy, which is begun when nobody is at it. */
  join(replica: ReplicaName, { onProgress }: { onProgress?: ((progress: SyncProgress) => void) | undefined }): Joined {
    const name = `${replica.datasetId}\0${replica.version}\0${replica.sourceId}`
    const running = this.#running.get(name) ?? this.#begin(name, replica)
    running.waiting++
    if (onProgress !== undefined) running.listeners.add(onProgress)
    let left = false
    const leave = (goesOn: boolean): void => {
      if (left) return
      left = true
      running.waiting--
      running.goesOn ||= goesOn
      if (onProgress !== undefined) running.listeners.delete(onProgress)
      if (running.waiting === 0 && !running.goesOn) {
        // Whoever comes now begins anew.
        if (this.#running.get(name) === running) this.#running.delete(name)
        running.stop.abort()
      }
    }
    return { done: running.done, leave: () => leave(false), forgetProgress: () => leave(true) }
  }

  /** Waits until no copy runs. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done))
  }

  /** Stops every copy; each can be gone on with. @returns those that should go on, though nobody here waits for them */
  async stop(): Promise<ReplicaName[]> {
    const running = [...this.#running.values()]
    for (const { stop } of running) stop.abort()
    const ended = await Promise.allSettled(running.map(({ done }) => done))
    return running.flatMap(({ goesOn, replica }, i) => (goesOn && ended[i]?.status === 'rejected' ? [replica] : []))
  }

  #begin(name: string, replica: ReplicaName): Running {
    const stop = new AbortController()
    const listeners: Running['listeners'] = new Set()
    const tell = (progress: SyncProgress): void => {
      for (const listener of listeners) listener(progress)
    }
    const done = this.#run(replica, stop.signal, tell).finally(() => {
      if (this.#running.get(name) === running) this.#running.delete(name)
    })
    // Whoever waits hears of it; when nobody does any more, nobody need.
    done.catch(() => undefined)
    const running: Running = { replica, done, stop, listeners, waiting: 0, goesOn: false }
    this.#running.set(name, running)
    return running
  }

  async #run(replica: ReplicaName, signal: AbortSignal, tell: (progress: SyncProgress) => void): Promise<void> {
    const { clock, random } = this.#context
    const other = new OtherCopy(this.#context, replica, tell)
    for (let failures = 0; ; ) {
      if (await this.#isReady(replica, signal)) return
      try {
        const result = await this.#copy(replica, { signal, onProgress: tell })
        if (result.status === 'success') return
        signal.throwIfAborted()
        if (result.status === 'cancelled') {
          throw new StowageError('aborted', `The copy (task ${result.taskId}) was cancelled.`)
        }
        if (result.status === 'failed') throw errorOf(result)
        // Paused, or helped: another one is at it.
        await clock.sleep(LOOK_MS, signal)
      } catch (thrown) {
        const error = toStowageError(thrown, signal)
        if (hasCode(error, 'lease-held', 'lease-lost')) {
          await other.look()
          await clock.sleep(LOOK_MS * (0.5 + random.next()), signal)
          continue
        }
        // It was marked for deletion between the look and the copy: the next look keeps it.
        if (error.code === 'conflict' && (await this.#statusOf(replica)) === 'deleting') continue
        failures++
        if (error.code === 'aborted' || !error.retryable || failures >= TRIES) throw error
        const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
        await clock.sleep(pause * (0.5 + random.next() / 2), signal)
      }
    }
  }

  async #statusOf({ datasetId, version, sourceId }: ReplicaName): Promise<ReplicaStatus | undefined> {
    const replicas = await this.#context.catalog.listReplicas(datasetId, version)
    return replicas.find((replica) => replica.sourceId === sourceId)?.status
  }

  /** Whether it is there. One that is on its way out is kept, when its bytes are all there still. */
  async #isReady(replica: ReplicaName, signal: AbortSignal): Promise<boolean> {
    const status = await this.#statusOf(replica)
    if (status !== 'deleting') return status === 'ready'
    try {
      return (await this.#context.catalog.keepReplica(replica)).status === 'ready'
    } catch (error) {
      // Its bytes are going: when they are gone, it can be brought again.
      if (!hasCode(error, 'lease-held', 'not-found')) throw error
      await this.#context.clock.sleep(LOOK_MS, signal)
      return this.#isReady(replica, signal)
    }
  }
}

/** Tells how far the copy of another process is. */
class OtherCopy {
  readonly #context: Context
  readonly #replica: ReplicaName
  readonly #tell: (progress: SyncProgress) => void
  #taskId: string | undefined
  #searchedAt = Number.NEGATIVE_INFINITY

  constructor(context: Context, replica: ReplicaName, tell: (progress: SyncProgress) => void) {
    this.#context = context
    this.#replica = replica
    this.#tell = tell
  }

  async look(): Promise<void> {
    const { tasks } = this.#context.sync
    const task = this.#taskId === undefined ? undefined : await tasks.get(this.#taskId)
    const running = task?.status === 'running' ? task : await this.#search()
    if (running === undefined) return
    const { id: taskId, phase = 'copying', progress: percent, objects } = running
    const { transferredSize: bytes, totalSize: totalBytes, speed: rate } = running
    this.#tell({ taskId, phase, percent, objects, bytes, totalBytes, listingDone: phase !== 'listing', rate })
  }

  async #search(): Promise<SyncTask | undefined> {
    const { clock, sync } = this.#context
    if (clock.now() - this.#searchedAt < SEARCH_MS) return undefined
    this.#searchedAt = clock.now()
    const { datasetId, version, sourceId } = this.#replica
    let newest: SyncTask | undefined
    for await (const task of sync.tasks.list()) {
      if (task.datasetId !== datasetId || task.version !== version || task.targetId !== sourceId) continue
      if (task.status === 'running') newest = task
    }
    this.#taskId = newest?.id
    return newest
  }
}

function errorOf({ error, errors }: SyncResult): StowageError {
  if (error !== undefined) return new StowageError(error.code, error.message)
  const [first] = errors
  const words = first === undefined ? 'The copy failed.' : `"${first.key}": ${first.message}`
  return new StowageError('internal', words)
}
