import { type Events, hasCode, StowageError, toStowageError } from '@stowage/core'
import type { QueuedTask, TaskService } from '@stowage/sync'
import pLimit from 'p-limit'
import type { PolicyConfig } from '../config/index.ts'
import { isLeased } from '../records/index.ts'
import { type BucketEvent, parseBucketEvents } from './bucket-events.ts'
import type { CatalogPolicies } from './catalog-policies.ts'
import type { Intake } from './intake.ts'
import { type Lag, lagOf } from './lag.ts'
import type { PeriodicJobs } from './periodic-jobs.ts'
import { type PolicyRunRecord, type PolicyState, policyKeys, type Reconciled } from './policy-records.ts'
import type { PolicyRun, PolicyRunOptions, PolicyRuns } from './policy-runs.ts'
import type { KnownPolicy, PolicyOrigin, PolicySet } from './policy-set.ts'
import { isByHand, type PolicyTasks, retryAtOf } from './policy-tasks.ts'
import { RECONCILE } from './policy-times.ts'
import type { Publications } from './publications.ts'
import type { Records } from './records.ts'
import { DEBOUNCE_MS, type Scheduler } from './scheduler.ts'
import type { Watches } from './watches.ts'

/** Tasks that {@link Policies.runDue} does at a time. */
const atOnce = 4

/** How often publications of other processes are looked for, in milliseconds. */
const outboxMs = 15_000

/** A policy with what is seen of it. Times are milliseconds since the epoch, by the catalog's clock. */
export interface PolicyView extends PolicyConfig {
  origin: PolicyOrigin
  enabled: boolean
  /**
   * What becomes of it now: somebody runs it; a run of it waits, in the queue or for a scheduler; its task is paused; nothing is to be done; or it does
   * not act by itself, and nobody asked for it.
   */
  state: 'running' | 'waiting' | 'paused' | 'idle' | 'off'
  /** Somebody runs it now. */
  running: boolean
  /** A look at everything waits to be run, and why. */
  wanted?: 'schedule' | 'reconcile' | 'gap' | 'manual'
  /** When its schedule or its reconciliation comes next, as far as a scheduler of this process knows. */
  nextAt?: number
  /** Everything that was written before `from` is in the target. A run that failed does not move it. */
  reconciled?: Omit<Reconciled, 'of'>
  last?: PolicyRunRecord
  /** Its task in the queue, or the last one. */
  taskId?: string
  /** Runs in a row that failed; by itself it is tried again at `retryAt`. */
  failures: number
  retryAt?: number
  /** Times of the schedule that led to no run. */
  skipped: number
  /** For `event`: from the write to the copy, over the last changes. */
  lag?: Lag
}

export interface PoliciesOptions {
  set: PolicySet
  catalog: CatalogPolicies
  runs: PolicyRuns
  tasks: PolicyTasks
  records: Records
  intake: Intake
  watches: Watches
  scheduler: Scheduler
  publications: Publications
  periodic: PeriodicJobs
  events: Events
  /** Refuses a policy that names no source. */
  check: (policy: PolicyConfig) => Promise<void>
  /** Refuses a policy whose work beside the others need not come to an end. */
  checkBeside: (policy: PolicyConfig) => void
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  queue: TaskService
  /** Does tasks of the queue until the signal fires. */
  work: (signal: AbortSignal) => Promise<void>
  /** Does one task of the queue here and now. */
  perform: (taskId: string, signal: AbortSignal) => Promise<void>
}

/**
 * The policies of one Stowage. Those of the configuration are read-only; those of the catalog can be added, removed and switched at any
 * time, here or in another process.
 */
export class Policies {
  readonly #options: PoliciesOptions
  #stop: AbortController | undefined
  /** Calls of {@link start} that want it to go on. */
  #callers = 0
  #working: Promise<void> = Promise.resolve()
  readonly #workers = new Set<Promise<void>>()

  constructor(options: PoliciesOptions) {
    this.#options = options
  }

  /** All policies: those of the configuration in its order, then those of the catalog by id. */
  async list(): Promise<PolicyView[]> {
    const { set } = this.#options
    await set.fresh(true)
    return await Promise.all(set.list().map((known) => this.#view(known)))
  }

  /** @throws StowageError `not-found` */
  async get(id: string): Promise<PolicyView> {
    const { set } = this.#options
    await set.fresh(true)
    return await this.#view(set.get(id))
  }

  /**
   * Adds a policy to the catalog. Other processes have it within a second.
   * @throws StowageError `invalid-request` naming the policy and the field that is wrong, also for an id that is taken; `configuration` when the
   * configuration has the id, or for a source that does not exist; `unsafe` when the work of it and the others need not come to an end
   */
  async add(config: PolicyConfig): Promise<PolicyView> {
    const { set, catalog, check } = this.#options
    set.assertNoClash(config.id)
    await check(config)
    await catalog.add(config)
    this.#options.scheduler.wake()
    return await this.get(config.id)
  }

  /** Removes a policy from the catalog, with all that was noted for it. What runs is stopped. One that is gone is no error. */
  async remove(id: string): Promise<void> {
    const { set, catalog, records, runs, tasks } = this.#options
    set.assertEditable(id)
    await catalog.remove(id)
    await set.fresh(true)
    const state = await runs.state(id)
    for (const prefix of [policyKeys.changes(id), policyKeys.due + id, policyKeys.state(id)]) {
      const page = await records.list(prefix, { limit: 10_000 })
      for (const key of page) if (key === prefix || prefix.endsWith('/')) await records.delete(key)
    }
    // Last: a task that is left, or begins just now, finds neither the policy nor what was noted for it, and is cancelled for that.
    await tasks.drop(state)
  }

  /**
   * Lets a policy act by itself again. Times that passed meanwhile are not made up for. Without effect when it is enabled.
   * @throws StowageError `not-found`, `unsafe` as {@link add}
   */
  enable(id: string): Promise<PolicyView> {
    return this.#switch(id, true)
  }

  /** Keeps a policy from acting by itself; what is under way goes on. Without effect when it is disabled. */
  disable(id: string): Promise<PolicyView> {
    return this.#switch(id, false)
  }

  /**
   * Runs a policy now, in this process, and waits for it: a look at everything.
   * @throws StowageError `not-found`, `lease-held` when it is running, and what the sync throws when it stops for safety
   */
  async run(id: string, options: PolicyRunOptions = {}): Promise<PolicyRun> {
    const { set, runs } = this.#options
    await set.fresh(true)
    const { config } = set.get(id)
    await runs.want(id, 'manual')
    return await this.#runNow(config, options)
  }

  /**
   * Lets a policy be run by whichever process works on the queue: at once, also when it waits for another try or was given up.
   * @throws StowageError `not-found`
   */
  async trigger(id: string): Promise<void> {
    const { set, runs, tasks, scheduler } = this.#options
    await set.fresh(true)
    set.get(id)
    await runs.want(id, 'manual')
    await tasks.hurry(id)
    scheduler.ended(id)
  }

  /**
   * Runs what was noted for a policy, now and in this process: for functions, which have no scheduler.
   * @returns `idle` when nothing was, `busy` when another process is at it
   */
  async runNoted(id: string, options: PolicyRunOptions = {}): Promise<PolicyRun | 'busy' | 'idle'> {
    const { set, runs } = this.#options
    return await runs.run(set.get(id).config, options)
  }

  /**
   * Runs what is due now, in this process, and waits for it: for functions on a timer, which have no scheduler. It may be called as often as one
   * likes, and beside schedulers.
   */
  async runDue(options: { signal?: AbortSignal } = {}): Promise<void> {
    const { scheduler, sleep, perform } = this.#options
    const signal = options.signal ?? new AbortController().signal
    const first = await scheduler.tick(signal)
    await sleep(first.wait, signal)
    const { tasks } = await scheduler.tick(signal)
    const limit = pLimit(atOnce)
    await Promise.all([...new Set([...first.tasks, ...tasks])].map((id) => limit(() => perform(id, signal))))
  }

  /**
   * Takes event notifications of buckets, as S3, MinIO or OSS send them, or ones that were read already. Once it resolves they are written
   * down and can be acknowledged; a scheduler sees to them.
   * @throws StowageError `invalid-request` for what is no event
   * @example
   * ```ts
   * app.post('/events', async (c) => c.json(await stowage.policies.handleEvents(await c.req.json())))
   * ```
   */
  async handleEvents(input: unknown): Promise<{ events: number; policies: string[] }> {
    const events = isRead(input) ? input : parseBucketEvents(input)
    return { events: events.length, policies: await this.#options.intake.bucketEvents(events) }
  }

  /**
   * Works as long as it is let: puts policies into the queue when they are due, watches sources for events, makes tasks of publications, runs
   * the periodic jobs, and does tasks of the queue. `stowage.work()` does so too. As many processes as one likes may do so.
   * @returns when it was stopped, by the signal or {@link stop}, and everything has ended
   */
  async start(options: { signal?: AbortSignal } = {}): Promise<void> {
    const scheduling = this.schedule(options)
    const stopped = this.#stop?.signal ?? new AbortController().signal
    const signal = options.signal === undefined ? stopped : AbortSignal.any([options.signal, stopped])
    const working = this.#options.work(signal)
    this.#workers.add(working)
    try {
      await working
    } finally {
      this.#workers.delete(working)
      await scheduling
    }
  }

  /** All that {@link start} does, but for the tasks of the queue: those are for other processes. */
  async schedule(options: { signal?: AbortSignal } = {}): Promise<void> {
    const stop = this.#begin()
    this.#callers++
    try {
      if (options.signal !== undefined) await fired(AbortSignal.any([options.signal, stop.signal]))
    } finally {
      this.#callers--
      // Another call may want it to go on.
      if (this.#callers === 0 && options.signal?.aborted === true) stop.abort()
    }
    if (options.signal === undefined || stop.signal.aborted) await this.#working
  }

  #begin(): AbortController {
    if (this.#stop !== undefined && !this.#stop.signal.aborted) return this.#stop
    const stop = new AbortController()
    const { signal } = stop
    const { scheduler, watches, periodic } = this.#options
    const before = this.#working
    const parts = async (): Promise<void> => {
      await before
      await Promise.all([scheduler.start(signal), watches.start(signal), periodic.start(signal), this.#outbox(signal)])
    }
    this.#stop = stop
    this.#working = parts()
    return stop
  }

  /** Stops what {@link start} began, cleanly. */
  async stop(): Promise<void> {
    this.#stop?.abort()
    await this.#working
    await Promise.allSettled(this.#workers)
  }

  async #runNow(config: PolicyConfig, options: PolicyRunOptions): Promise<PolicyRun> {
    const run = await this.#options.runs.run(config, options)
    if (typeof run !== 'string') {
      // What ended before there was anything to report is told as it was thrown.
      if (run.thrown !== undefined) throw run.thrown
      return run
    }
    throw new StowageError('lease-held', `Policy "${config.id}" is being run.`, {
      hint: 'It was asked for one more run, which follows this one where a scheduler works.',
    })
  }

  async #outbox(signal: AbortSignal): Promise<void> {
    const { publications, events, sleep, queue } = this.#options
    while (!signal.aborted) {
      try {
        await publications.handOver((task) => queue.enqueue(task), signal)
      } catch (thrown) {
        if (signal.aborted || hasCode(thrown, 'aborted')) return
        const { code, message } = toStowageError(thrown, signal)
        events.emit('alert', { severity: 'critical', code, message: `Publications cannot be handled: ${message}` })
      }
      await sleep(outboxMs, signal).catch(() => undefined)
    }
  }

  async #switch(id: string, enabled: boolean): Promise<PolicyView> {
    const { set, catalog, scheduler, checkBeside } = this.#options
    set.assertEditable(id)
    await set.fresh(true)
    const known = enabled ? set.find(id)?.config : undefined
    if (known?.enabled === false) checkBeside({ ...known, enabled: true })
    await catalog.setEnabled(id, enabled)
    scheduler.wake()
    return await this.get(id)
  }

  async #view({ config, origin }: KnownPolicy): Promise<PolicyView> {
    const { runs, records, scheduler, queue } = this.#options
    const state: PolicyState | undefined = await runs.state(config.id)
    const nextAt = scheduler.nextAt(config.id)
    const { reconciled, last, lag, wanted, queued } = state ?? {}
    const task = queued === undefined ? undefined : await queue.state(queued)
    const retryAt = state === undefined ? undefined : retryAtOf(task, state)
    const running = isLeased(state, await records.now())
    const isMarked = (await records.read(policyKeys.due + config.id)) !== undefined
    const defaults =
      config.on === 'event'
        ? { reconcile: RECONCILE, debounceMs: DEBOUNCE_MS }
        : config.on === 'schedule'
          ? { timeZone: 'UTC', overlap: 'skip' as const, missed: 'once' as const }
          : {}
    return {
      ...defaults,
      ...config,
      origin,
      enabled: config.enabled ?? true,
      state: running ? 'running' : stateOf(config, state, task, isMarked),
      running,
      failures: state?.failures ?? 0,
      skipped: state?.skipped ?? 0,
      ...(wanted === undefined ? {} : { wanted: wanted.why }),
      ...(nextAt === undefined || !Number.isFinite(nextAt) ? {} : { nextAt }),
      ...(reconciled === undefined ? {} : { reconciled: toldOf(reconciled) }),
      ...(last === undefined ? {} : { last }),
      ...(queued === undefined ? {} : { taskId: queued }),
      ...(retryAt === undefined ? {} : { retryAt }),
      ...(lag === undefined ? {} : { lag: lagOf(lag) }),
    }
  }
}

/** What becomes of a policy that nobody runs. @param isMarked something was noted for it that no run has taken up */
function stateOf(
  policy: PolicyConfig,
  state: PolicyState | undefined,
  task: QueuedTask | undefined,
  isMarked: boolean,
): PolicyView['state'] {
  if (task?.state === 'paused') return 'paused'
  if (policy.enabled === false && !isByHand(state)) return 'off'
  const inQueue = task?.state === 'waiting' || task?.state === 'running'
  return inQueue || isMarked || state?.wanted !== undefined ? 'waiting' : 'idle'
}

function toldOf({ of: _, ...told }: Reconciled): Omit<Reconciled, 'of'> {
  return told
}

/** Resolves when a signal fires. */
function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function isRead(input: unknown): input is BucketEvent[] {
  return Array.isArray(input) && input.every((one) => typeof one === 'object' && one !== null && 'provider' in one)
}
