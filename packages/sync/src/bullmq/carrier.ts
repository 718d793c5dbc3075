import { type Events, StowageError, toStowageError } from '@stowage/core'
import { DelayedError, type Job, Queue, UnrecoverableError, Worker } from 'bullmq'
import type { CarrierWork, TaskCarrier, Ticket } from '../queue/index.ts'
import { Reconnect } from './reconnect.ts'
import { connectionOf, type RedisLocation } from './redis-url.ts'

/** Where tickets are kept. */
export interface BullCarrierOptions extends RedisLocation {
  /** Before every key in Redis, so that several Stowages can share one. @defaultValue 'stowage' */
  prefix?: string
  /** Told when Redis is away, and when it is back. */
  events?: Events
}

/** The name of the queue in BullMQ. */
export const queueName = 'tasks'

/** The version of what a job holds. A worker lets jobs of a higher one wait for another worker. */
const FORMAT = 1
const newerMs = 60_000

/** Milliseconds after which Redis is taken to be away. Nothing is lost by that. */
const patienceMs = 5000

/** BullMQ's priorities are whole numbers to 2^21; one is five minutes of our rank, from 2025 on: enough for twenty years. */
const rankStep = 300_000
const rankZero = Date.UTC(2025, 0, 1)
const leastUrgent = 2 ** 21 - 1

/** How often all tickets are sent again whatever the counts say, in milliseconds, when there are no more than so many. */
const resendMs = 600_000
const resendMost = 10_000

/** What a job holds. */
interface JobData {
  format: number
  taskId: string
}

/**
 * Carries tickets by BullMQ on Redis: at once to idle workers on any machine. Only ids of tasks are in Redis, and losing them costs time alone.
 *
 * @example
 * ```ts
 * const tasks = createTaskQueue({ store, carrier: bullCarrier({ redis: 'redis://queue.lan:6379' }) })
 * ```
 * @throws StowageError `configuration` when the address is wrong
 */
export function bullCarrier(options: BullCarrierOptions): TaskCarrier {
  return new BullCarrier(options)
}

class BullCarrier implements TaskCarrier {
  readonly #options: BullCarrierOptions
  readonly #connection: ReturnType<typeof connectionOf>
  readonly #prefix: string
  readonly #reconnect = new Reconnect()
  #queue: Queue<JobData> | undefined
  /** Tickets were not taken: the counts may hide it. */
  #missed = false
  #resentAt = 0
  #away = false

  constructor(options: BullCarrierOptions) {
    this.#options = options
    this.#connection = connectionOf(options)
    this.#prefix = options.prefix ?? 'stowage'
  }

  async send(tickets: readonly Ticket[]): Promise<void> {
    try {
      await this.#soon(this.#open().addBulk(tickets.map(jobOf)))
    } catch (error) {
      this.#missed = true
      throw error
    }
  }

  async lacks(waiting: number): Promise<boolean> {
    const counts = await this.#soon(this.#open().getJobCounts('wait', 'prioritized', 'delayed'))
    const held = Object.values(counts).reduce((sum, count) => sum + count, 0)
    const again = waiting > 0 && waiting <= resendMost && performance.now() - this.#resentAt > resendMs
    if (held >= waiting && !this.#missed && !again) return false
    this.#missed = false
    this.#resentAt = performance.now()
    return waiting > 0
  }

  async ping(): Promise<void> {
    await this.#soon(this.#open().getJobCounts('wait'))
  }

  async consume({ concurrency, signal, handle, back }: CarrierWork): Promise<void> {
    if (signal.aborted) return
    const active = new Set<Promise<unknown>>()
    const reconnect = new Reconnect()
    const worker = new Worker<JobData>(
      queueName,
      (job, token) => {
        const done = process(job, token, handle)
        active.add(done)
        const over = () => active.delete(done)
        done.then(over, over)
        return done
      },
      {
        connection: { ...this.#connection, maxRetriesPerRequest: null, retryStrategy: reconnect.strategy },
        prefix: this.#prefix,
        concurrency,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 1000, age: 30 * 86_400 },
        // The store tells whether the worker of a task is dead, and gives up those that kill worker after worker.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        stalledInterval: 15_000,
      },
    )
    worker.on('error', (error) => this.#isAway(error))
    worker.on('ready', () => this.#isBack())
    // It is connected once this resolves: each time it is so again, what Redis held before may be lost.
    worker.backend.client.then(
      (client) => client.on('ready', () => signal.aborted || back?.()),
      () => undefined,
    )
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await worker.pause(true).catch(() => undefined)
    await Promise.allSettled(active)
    // Redis may be away: then there is nothing to wait for, and its client would wait for ever.
    const there = await this.ping().then(
      () => true,
      () => false,
    )
    reconnect.stop()
    await this.#soon(worker.close(!there)).catch(() => {
      // It went away just now. Whichever step hangs, one of these lets go of the connections.
      worker.backend.close(true).catch(() => undefined)
      worker.disconnect().catch(() => undefined)
    })
  }

  async close(): Promise<void> {
    const queue = this.#queue
    this.#queue = undefined
    this.#reconnect.stop()
    if (queue === undefined) return
    await this.#soon(queue.close()).catch(() => void queue.disconnect().catch(() => undefined))
  }

  #open(): Queue<JobData> {
    if (this.#queue === undefined) {
      const connection = { ...this.#connection, maxRetriesPerRequest: 2, retryStrategy: this.#reconnect.strategy }
      this.#queue = new Queue(queueName, { connection, prefix: this.#prefix, skipWaitingForReady: true })
      this.#queue.on('error', (error) => this.#isAway(error))
    }
    return this.#queue
  }

  /** @throws StowageError `unavailable` */
  async #soon<T>(work: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new StowageError('timeout', 'Redis did not answer in time.')), patienceMs)
    try {
      const result = await Promise.race([work, late])
      this.#isBack()
      return result
    } catch (cause) {
      if (StowageError.isInstance(cause)) throw cause
      throw new StowageError('unavailable', `Redis is away: ${toStowageError(cause).message}`, { cause })
    } finally {
      clearTimeout(timer)
      work.catch(() => undefined)
    }
  }

  #isAway(cause: Error): void {
    if (this.#away) return
    this.#away = true
    this.#options.events?.emit('alert', {
      severity: 'warning',
      code: 'unavailable',
      message: `Redis is away, so tasks are found more slowly; none is lost: ${cause.message}`,
    })
  }

  #isBack(): void {
    this.#away = false
  }
}

/** Does the task of a job, and says what is to become of the job. */
async function process(job: Job<JobData>, token: string | undefined, handle: CarrierWork['handle']): Promise<void> {
  const { format, taskId } = job.data
  const handled = format > FORMAT ? ({ kind: 'later', ms: newerMs, full: false } as const) : await handle(taskId)
  if (handled.kind === 'over') return
  if (handled.kind === 'dead') throw new UnrecoverableError(handled.reason)
  await job.moveToDelayed(Date.now() + Math.max(50, handled.ms), token)
  throw new DelayedError()
}

function jobOf({ id, sequence, rank, delay }: Ticket): {
  name: string
  data: JobData
  opts: { jobId: string; priority: number; delay?: number }
} {
  const priority = Math.min(leastUrgent, Math.max(1, Math.floor((rank - rankZero) / rankStep)))
  const opts = { jobId: `${id}-${sequence}`, priority, ...(delay > 0 ? { delay } : {}) }
  return { name: 'sync', data: { format: FORMAT, taskId: id }, opts }
}
