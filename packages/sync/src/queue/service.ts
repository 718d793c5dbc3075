import {
  type Clock,
  type Events,
  hasCode,
  type Random,
  StowageError,
  type SyncStore,
  systemClock,
  systemRandom,
  toStowageError,
} from '@stowage/core'
import { forgetCancel, listRecords, type Owner, processOwner, requestCancel, storeNow } from '../state/index.ts'
import { enqueueTask, newEntry } from './enqueue.ts'
import { Entries, type Found } from './entries.ts'
import {
  deadPrefix,
  heldPrefix,
  idIn,
  indexKey,
  laterPrefix,
  type QueueEntry,
  rankOf,
  runPrefix,
  waitPrefix,
} from './entry.ts'
import { Helper, helpMs } from './help.ts'
import { LocalCarrier } from './local.ts'
import { waiting } from './outcome.ts'
import { countBelow, dropOld, findLost, type Retention, sweepMs, takeBackLost, takeTurn } from './sweep.ts'
import { TaskRecords, whole, withState } from './task-records.ts'
import type { NewTask, QueueDepth, QueuedTask, TaskCarrier, TaskService, Ticket, WorkOptions } from './types.ts'
import { Worker, type WorkerParts } from './worker.ts'

/** What a queue is made of. */
export interface TaskQueueOptions {
  /** Where tasks are kept: the same as the sync's. */
  store: SyncStore
  /** Brings tasks to workers. @defaultValue none is needed: workers look into the store */
  carrier?: TaskCarrier
  /** Of tasks that have ended or were given up. @defaultValue 30 days, 10 000 tasks, 100 of one policy */
  retention?: Retention
  /** @defaultValue the machine's */
  clock?: Clock
  /** @defaultValue the machine's */
  random?: Random
  /** Told of the states of tasks, and of trouble with the store or the carrier. */
  events?: Events
  /** Who works. @defaultValue this process */
  owner?: Owner
  /** Takes secrets out of the words that tasks keep. @defaultValue they are kept as they are */
  clean?: (words: string) => string
}

/** How often a worker looks for tasks whose worker is gone, in milliseconds. */
const lostMs = 5000

/** Tickets that are sent at a time. */
const batch = 1000

const day = 86_400_000
const never = new AbortController().signal

/**
 * Makes a queue of sync tasks on a store.
 *
 * @example
 * ```ts
 * const tasks = createTaskQueue({ store })
 * await tasks.enqueue({ sourceId: 'disk', sourcePrefix: 'raw/', targetId: 'lan', targetPrefix: 'raw/' })
 * await tasks.work({ run: (task, signal) => sync.run({ ...endsOf(task), taskId: task.id, signal }), signal })
 * ```
 */
export function createTaskQueue(options: TaskQueueOptions): TaskService {
  return new TaskQueue(options)
}

class TaskQueue implements TaskService {
  readonly #parts: WorkerParts
  readonly #entries: Entries
  readonly #tasks: TaskRecords
  readonly #carrier: TaskCarrier
  readonly #retention: Required<Retention>

  constructor(options: TaskQueueOptions) {
    const { store, clock = systemClock, random = systemRandom, events, owner = processOwner, retention } = options
    const { ms = 30 * day, count = 10_000, perPolicy = 100 } = retention ?? {}
    whole('retention.ms', ms, 0, Number.MAX_SAFE_INTEGER)
    whole('retention.count', count, 0, Number.MAX_SAFE_INTEGER)
    whole('retention.perPolicy', perPolicy, 1, Number.MAX_SAFE_INTEGER)
    this.#retention = { ms, count, perPolicy }
    const records = { store, clock, random }
    this.#entries = new Entries(records)
    this.#tasks = new TaskRecords(records, events)
    const clean = options.clean ?? ((words: string) => words)
    const alert: WorkerParts['alert'] = (thrown, what, taskId) => {
      const { code, message } = toStowageError(thrown)
      const said = `${what}: ${clean(message)}`
      events?.emit('alert', { severity: 'warning', code, message: said, ...(taskId === undefined ? {} : { taskId }) })
    }
    this.#carrier = options.carrier ?? new LocalCarrier(records, (error) => alert(error, 'The queue could not be read'))
    this.#parts = {
      entries: this.#entries,
      tasks: this.#tasks,
      owner,
      clean,
      alert,
      offer: (entry, now) => this.#offer([entry], now),
    }
  }

  async enqueue(task: NewTask): ReturnType<TaskService['enqueue']> {
    const added = await enqueueTask(this.#entries, this.#tasks, task, never)
    if (added.entry !== undefined) await this.#offer([added.entry], added.entry.since)
    return added.task
  }

  async pause(id: string): Promise<void> {
    await this.#change(id, async (found) => {
      if (found.entry.state === 'paused') return true
      if (found.entry.state === 'running') return await this.#ask(found, 'pause')
      if (found.entry.state !== 'waiting') throw ended(id)
      return await this.#move(found, { state: 'paused' })
    })
  }

  async resume(id: string): Promise<void> {
    await this.#change(id, async (found, now) => {
      const { state, asked } = found.entry
      if (state === 'running' && asked === 'pause') return await this.#ask(found, undefined)
      if (state === 'running' || state === 'waiting') return true
      if (state !== 'paused') throw ended(id)
      return await this.#move(found, waiting(now, Math.max(0, found.entry.dueAt - now)))
    })
  }

  async cancel(id: string): Promise<void> {
    const { records } = this.#entries
    const found = await this.#entries.read(id, never)
    if (found === undefined) {
      const task = (await this.#tasks.read(id, never))?.task
      if (task === undefined) throw notFound(id)
      const over = task.status === 'success' || task.status === 'failed' || task.status === 'cancelled'
      if (!over) await requestCancel(records, id, never)
      return
    }
    const cancelling = this.#change(id, async (now, at) => {
      const { state, begun } = now.entry
      if (state === 'done' || state === 'cancelled') return true
      if (!begun) return await this.#move(now, { state: 'cancelled' })
      await requestCancel(records, id, never)
      if (state === 'running') return await this.#ask(now, 'cancel')
      return await this.#move(now, { ...waiting(at, 0), asked: 'cancel' })
    })
    try {
      await cancelling
    } catch (error) {
      // It ended meanwhile: the request must not meet a run of it that is asked for later.
      if (!hasCode(error, 'conflict')) throw error
      await forgetCancel(records, id, never)
    }
  }

  async retry(id: string): Promise<void> {
    const { records } = this.#entries
    if ((await this.#entries.read(id, never)) === undefined) {
      const known = await this.#tasks.read(id, never)
      if (known === undefined) throw notFound(id)
      await forgetCancel(records, id, never)
      const now = await storeNow(records, never)
      const entry = newEntry(withState(known.task, { status: 'pending', progress: 0 }), {}, now)
      await this.#tasks.tell(entry, known, never)
      const added = await this.#entries.add({ ...entry, begun: true }, never)
      if (added !== undefined) return await this.#offer([added.entry], now)
    }
    await this.#change(id, async (found, now) => {
      const { state } = found.entry
      if (state === 'running' || state === 'paused') {
        const hint = state === 'running' ? 'Wait until it ends.' : 'Resume it.'
        throw new StowageError('conflict', `Task "${id}" is ${state}.`, { hint })
      }
      if (state === 'waiting' && found.entry.dueAt <= now) return true
      if (state === 'dead') await forgetCancel(records, id, never)
      return await this.#move(found, { ...waiting(now, 0), attempts: 0, deaths: 0 })
    })
  }

  async *dead(): ReturnType<TaskService['dead']> {
    for await (const key of listRecords(this.#entries.records, deadPrefix, never)) {
      const found = await this.#entries.read(idIn(key), never)
      if (found === undefined || indexKey(found.entry) !== key) continue
      const { task, reason } = found.entry
      const record = (await this.#tasks.read(found.entry.id, never))?.task ?? task
      yield reason === undefined ? record : { ...record, errorCode: reason.code, errorMessage: reason.message }
    }
  }

  async state(id: string): Promise<QueuedTask | undefined> {
    const entry = (await this.#entries.read(id, never))?.entry
    if (entry === undefined) return undefined
    const { state, priority, dueAt, attempts, maxAttempts, lease, reason } = entry
    return {
      id,
      state,
      priority,
      dueAt,
      attempts,
      maxAttempts,
      ...(lease === undefined ? {} : { worker: { host: lease.owner.host, pid: lease.owner.pid } }),
      ...(reason === undefined ? {} : { reason }),
    }
  }

  async work(options: WorkOptions): Promise<void> {
    const { concurrency = 4, perSource, signal } = options
    whole('concurrency', concurrency, 1, 1024)
    whole('perSource', perSource, 1, 1024)
    const worker = new Worker(this.#parts, options)
    const helper = new Helper(this.#parts, options, () => worker.idle)
    await Promise.all([
      this.#carrier.consume({
        concurrency,
        signal,
        handle: (id, key) => worker.handle(id, key),
        back: () => this.#isBack(signal),
      }),
      this.#every(lostMs, signal, 'Tasks of lost workers could not be looked for', () => this.#takeBackLost(signal)),
      this.#every(sweepMs, signal, 'The queue could not be swept', async () => {
        if (await takeTurn(this.#entries.records, signal)) await this.#sweep(signal)
      }),
      this.#every(helpMs, signal, 'Workers that want help could not be looked for', () => helper.helpAll()),
    ])
  }

  async perform(id: string, options: Omit<WorkOptions, 'concurrency'>): Promise<void> {
    whole('perSource', options.perSource, 1, 1024)
    await new Worker(this.#parts, options).handle(id)
  }

  sweep(): Promise<number> {
    return this.#sweep(never)
  }

  async depth(): Promise<QueueDepth> {
    const count = (prefix: string) => countBelow(this.#entries.records, prefix, never)
    return {
      waiting: await count(waitPrefix),
      running: await count(runPrefix),
      delayed: await count(laterPrefix),
      paused: await count(heldPrefix),
      dead: await count(deadPrefix),
    }
  }

  ping(): Promise<void> | undefined {
    return this.#carrier.ping?.()
  }

  close(): Promise<void> {
    return this.#carrier.close()
  }

  async #sweep(signal: AbortSignal): Promise<number> {
    const back = await this.#takeBackLost(signal)
    const lost = await findLost(this.#parts, signal)
    await this.#offer(lost, await storeNow(this.#entries.records, signal))
    await this.#sendAgain(signal)
    await dropOld(this.#parts, this.#retention, signal)
    return back + lost.length
  }

  async #takeBackLost(signal: AbortSignal): Promise<number> {
    const back = await takeBackLost(this.#parts, signal)
    if (back.length > 0) await this.#offer(back, await storeNow(this.#entries.records, signal))
    return back.length
  }

  /** The carrier is back, perhaps without its tickets: they are not left for the next sweep. */
  #isBack(signal: AbortSignal): void {
    this.#sendAgain(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#parts.alert(error, 'What the queue lost could not be looked for')
    })
  }

  /** Sends the tickets of all that wait, when the carrier has lost some. */
  async #sendAgain(signal: AbortSignal): Promise<void> {
    const { records } = this.#entries
    let waits = 0
    for (const prefix of [waitPrefix, laterPrefix]) waits += await countBelow(records, prefix, signal)
    try {
      if (!(await this.#carrier.lacks(waits))) return
    } catch (error) {
      return this.#parts.alert(error, 'The queue could not be asked what it holds')
    }
    let page: QueueEntry[] = []
    for (const prefix of [waitPrefix, laterPrefix]) {
      for await (const key of listRecords(records, prefix, signal)) {
        const found = await this.#entries.read(idIn(key), signal)
        if (found?.entry.state === 'waiting') page.push(found.entry)
        if (page.length < batch) continue
        await this.#offer(page, await storeNow(records, signal))
        page = []
      }
    }
    await this.#offer(page, await storeNow(records, signal))
  }

  /** Tells the carrier of tasks. They are safe in the store: what it does not take now is put back by the sweep. */
  async #offer(entries: readonly QueueEntry[], now: number): Promise<void> {
    if (entries.length === 0) return
    try {
      await this.#carrier.send(entries.map((entry) => ticketOf(entry, now)))
    } catch (error) {
      this.#parts.alert(error, 'The queue did not take a task, which waits in the store')
    }
  }

  /** Calls `change` with the task as it is, until it was quick enough. */
  async #change(id: string, change: (found: Found, now: number) => Promise<boolean>): Promise<void> {
    const { records } = this.#entries
    for (let attempt = 1; ; attempt++) {
      const found = await this.#entries.read(id, never)
      if (found === undefined) throw (await this.#tasks.read(id, never)) === undefined ? notFound(id) : ended(id)
      if (await change(found, await storeNow(records, never))) return
      await records.clock.sleep(records.random.next() * 20 * Math.min(attempt, 10))
    }
  }

  async #move(found: Found, change: Partial<QueueEntry>): Promise<boolean> {
    const { records } = this.#entries
    const now = await storeNow(records, never)
    const known = await this.#tasks.read(found.entry.id, never)
    const { reason: _, ...rest } = found.entry
    const next = { ...rest, since: now, ...change }
    // Of one that is over nothing stays but its record.
    if (change.state === 'cancelled') await this.#tasks.tell(next, known, never)
    const moved = await this.#entries.move(found, { since: now, ...change }, never)
    if (moved === undefined) return false
    if (change.state !== 'cancelled') await this.#tasks.tell(next, known, never)
    if (moved.entry.state === 'waiting') await this.#offer([moved.entry], now)
    return true
  }

  async #ask(found: Found, asked: QueueEntry['asked']): Promise<boolean> {
    const { asked: _, ...rest } = found.entry
    const entry = asked === undefined ? rest : { ...rest, asked }
    return (await this.#entries.write(entry, found.revision, never)) !== undefined
  }

  async #every(ms: number, signal: AbortSignal, what: string, work: () => Promise<unknown>): Promise<void> {
    const { clock, random } = this.#entries.records
    while (!signal.aborted) {
      try {
        await work()
      } catch (error) {
        if (!signal.aborted) this.#parts.alert(error, what)
      }
      await clock.sleep(ms * (0.75 + random.next() / 2), signal).catch(() => undefined)
    }
  }
}

function ticketOf(entry: QueueEntry, now: number): Ticket {
  return { id: entry.id, sequence: entry.sequence, rank: rankOf(entry), delay: delayOf(entry, now) }
}

function delayOf({ delayed, dueAt }: QueueEntry, now: number): number {
  return delayed ? Math.max(0, dueAt - now) : 0
}

function notFound(id: string): StowageError {
  return new StowageError('not-found', `There is no task "${id}".`)
}

function ended(id: string): StowageError {
  return new StowageError('conflict', `Task "${id}" has ended.`, { hint: 'stowage task retry lets it be done again.' })
}
