import { type Clock, type Events, hasCode, type Random, StowageError, toStowageError } from '@stowage/core'
import type { Lease } from '@stowage/sync'
import type { Leased } from '../records/index.ts'
import type { Records } from './records.ts'

/** Something that is to be done now and then, by one process at a time. */
export interface PeriodicJob {
  /** Names its record: lower-case letters, digits and `-`. */
  id: string
  /** Milliseconds from the beginning of one run to that of the next. */
  every: number
  /** One run; it may end early when the signal fires, and begins again later. What it throws is told as an alert. */
  run(signal: AbortSignal): Promise<void>
}

/** What is kept of a job, by the store's clock. */
export interface PeriodicRecord extends Leased {
  /** Nobody begins it before. */
  nextAt: number
  startedAt?: number
  endedAt?: number
  /** Runs in a row that failed. */
  failures: number
  error?: { code: string; message: string }
}

/** How long a run that failed waits for the next, in milliseconds; doubled with each, up to the job's own time. */
const AFTER_FAILURE_MS = 300_000

/** How often all jobs are looked at, in milliseconds. */
const LOOK_MS = 60_000

export interface PeriodicJobsOptions {
  records: Records
  clock: Clock
  random: Random
  events: Events
}

/** Jobs such as sweeps and scrubs: each runs once in its time, in whichever process is there, and again after one that died at it. */
export class PeriodicJobs {
  readonly #options: PeriodicJobsOptions
  readonly #jobs = new Map<string, PeriodicJob>()

  constructor(options: PeriodicJobsOptions) {
    this.#options = options
  }

  /** @throws StowageError `invalid-request` for an id that is taken or a time that is none */
  add(job: PeriodicJob): void {
    const wrong = (field: string, message: string): StowageError =>
      new StowageError('invalid-request', `Periodic job "${job.id}": ${message}.`, { field })
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(job.id)) throw wrong('id', 'the id takes lower-case letters, digits and "-"')
    if (this.#jobs.has(job.id)) throw wrong('id', 'there is one of this id already')
    if (!(job.every >= 1000)) throw wrong('every', 'it must be a second or more, in milliseconds')
    this.#jobs.set(job.id, job)
  }

  list(): PeriodicJob[] {
    return [...this.#jobs.values()]
  }

  /** What is kept of a job, or `undefined` when it was never looked at. */
  read(id: string): Promise<PeriodicRecord | undefined> {
    return this.#options.records.read<PeriodicRecord>(keyOf(id))
  }

  /** Runs what is due, until the signal fires. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.list().map((job) => this.#keep(job, signal)))
  }

  async #keep(job: PeriodicJob, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      try {
        const wait = await this.turn(job, signal)
        if (wait > 0) await clock.sleep(Math.min(wait, LOOK_MS), signal)
      } catch (thrown) {
        if (signal.aborted) return
        this.#alert(job, toStowageError(thrown))
        await clock.sleep(LOOK_MS, signal).catch(() => undefined)
      }
    }
  }

  /**
   * Runs a job if it is due and nobody else is at it.
   * @returns milliseconds until it is worth another look
   */
  async turn(job: PeriodicJob, signal: AbortSignal): Promise<number> {
    const { records, random } = this.#options
    const now = await records.now(signal)
    const key = keyOf(job.id)
    // The first run comes after a while: a process that only lives for a moment shall not begin with it, and not all at once.
    const nextAt = now + (random.next() * job.every) / 10
    const record = await records.change<PeriodicRecord>(key, (before) => before ?? { nextAt, failures: 0 }, signal)
    const due = (before: PeriodicRecord | undefined, at: number): PeriodicRecord | undefined =>
      before === undefined || before.nextAt > at ? undefined : { ...before, startedAt: at }
    const what = `the job "${job.id}"`
    const lease = (record?.nextAt ?? now) > now ? undefined : await records.take(key, what, due, signal)
    if (lease === undefined) return Math.max(record?.nextAt ?? 0, record?.lease?.expiresAt ?? 0, now + 1000) - now
    await this.#run(job, lease, signal)
    return 0
  }

  async #run(job: PeriodicJob, lease: Lease<PeriodicRecord>, signal: AbortSignal): Promise<void> {
    let failure: StowageError | undefined
    try {
      await job.run(AbortSignal.any([signal, lease.signal]))
    } catch (thrown) {
      failure = toStowageError(thrown, signal)
    }
    try {
      if (failure !== undefined && !signal.aborted && !lease.signal.aborted) this.#alert(job, failure)
      const now = await this.#options.records.now()
      await lease.release((record) => after(job, record, now, failure, signal.aborted))
    } catch (error) {
      if (!hasCode(error, 'lease-lost')) throw error
    } finally {
      await lease.abandon()
    }
  }

  #alert(job: PeriodicJob, { code, message }: StowageError): void {
    this.#options.events.emit('alert', { severity: 'warning', code, message: `The job "${job.id}" failed: ${message}` })
  }
}

function keyOf(id: string): string {
  return `periodic/${id}`
}

/** What a record says after a run. */
function after(
  job: PeriodicJob,
  record: PeriodicRecord,
  now: number,
  failure: StowageError | undefined,
  stopped: boolean,
): PeriodicRecord {
  // Stopped in the middle: another may go on at once.
  if (stopped) return record
  const { error: _, ...rest } = record
  const nextAt = Math.max(now + 1000, (rest.startedAt ?? now) + job.every)
  if (failure === undefined) return { ...rest, failures: 0, endedAt: now, nextAt }
  const wait = Math.min(job.every, AFTER_FAILURE_MS * 2 ** Math.min(rest.failures, 16))
  const { code, message } = failure
  return { ...rest, failures: rest.failures + 1, endedAt: now, nextAt: now + wait, error: { code, message } }
}
