import { type Actor, type Events, hasCode, type Pin, StowageError, type SyncTask, toStowageError } from '@stowage/core'
import type { Decision, RouteRequest } from '@stowage/router'
import type { SyncOptions, SyncResult, TaskService, VerifyOptions, VerifyResult } from '@stowage/sync'
import {
  type CacheStatus,
  type CopyOnce,
  cacheStatus,
  type EnsureReplica,
  type Evicted,
  type EvictOptions,
  evict,
  type Removed,
  removeMarked,
} from '../cache/index.ts'
import type { PolicyConfig, QueueWork } from '../config/index.ts'
import { Datasets, type Manifests, type SweepOptions, type Swept, sweepDrafts } from '../datasets/index.ts'
import type { Prober } from '../health/index.ts'
import type {
  Intake,
  PeriodicJobs,
  Policies,
  PolicyTasks,
  Publications,
  Replication,
  ReplicationOptions,
  Replications,
} from '../policies/index.ts'
import type { Routing } from '../routing/index.ts'
import {
  type DatasetVerification,
  type ScrubOptions,
  type ScrubResult,
  type ScrubSettings,
  type ScrubStatus,
  scrub,
  scrubStatus,
  type VerifyDatasetOptions,
  verifyDataset,
} from '../scrub/index.ts'
import type { Sources } from '../sources/index.ts'
import type { Context } from './context.ts'
import { handOver } from './hand-over.ts'
import { runTask } from './queue.ts'
import type { QueueBoardPages } from './queue-board.ts'
import type { PartReadiness, Readiness, ReadinessOptions } from './readiness.ts'
import { Tasks } from './tasks.ts'

/** A plain sync between two locations, as `SOURCE_ID:PREFIX`. */
export interface LocationSync
  extends Omit<SyncOptions, 'from' | 'to' | 'objects' | 'onSettled' | 'checkKey' | 'managedCheck'> {
  from: string
  to: string
}

/** What a Stowage is made of. */
export interface Parts {
  context: Context
  policies: Policies
  policyTasks: PolicyTasks
  intake: Intake
  publications: Publications
  replications: Replications
  manifests: Manifests
  copies: CopyOnce
  ensure: EnsureReplica
  periodic: PeriodicJobs
  scrub: ScrubSettings
  queue: TaskService
  work: QueueWork
  routing: Routing
  readiness: Readiness
  board: () => Promise<QueueBoardPages | undefined>
  background: boolean
  /** Absent where sources are not to be probed. */
  prober?: Prober
  close: () => Promise<void>
}

/** Everything that one configuration opens. Close it when done. */
export class Stowage {
  /** Progress, state, health, decisions and alerts. */
  readonly events: Events
  readonly sources: Sources
  /** The rules by which sources are chosen, and what was decided. */
  readonly routing: Routing
  readonly tasks: Tasks
  /** What is kept in step, and when. */
  readonly policies: Policies
  /** Jobs that run by themselves now and then, such as the sweep of drafts, once they are started. */
  readonly periodic: PeriodicJobs
  readonly #parts: Parts
  readonly #stop = new AbortController()
  #work: Promise<unknown> = Promise.resolve()
  readonly #takingUp: Promise<unknown>
  readonly #workers = new Set<Promise<void>>()
  #probing: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.events = parts.context.events
    this.sources = parts.context.sources
    this.routing = parts.routing
    this.periodic = parts.periodic
    this.policies = parts.policies
    const { sync, sources } = parts.context
    this.tasks = new Tasks({
      sync,
      sources,
      queue: parts.queue,
      policies: parts.policyTasks,
      again: (task, options) => this.#again(task, options),
    })
    this.#takingUp = parts.background ? this.#takeUp() : Promise.resolve()
    if (parts.background) this.#probe()
  }

  /** The use cases of one actor. */
  as(actor: Actor): { datasets: Datasets } {
    const { context, manifests } = this.#parts
    return { datasets: new Datasets(context, manifests, actor, () => this.#published(), this.#parts.ensure) }
  }

  /** Makes `to` hold what `from` holds. @throws StowageError `configuration`, or what `@stowage/sync` throws when it stops for safety */
  async sync({ from, to, ...options }: LocationSync): Promise<SyncResult> {
    const { sources, sync } = this.#parts.context
    return sync.run({ ...options, from: await sources.location(from), to: await sources.location(to) })
  }

  /** Reads both locations and compares the bytes. */
  async verify(a: string, b: string, options: VerifyOptions = {}): Promise<VerifyResult> {
    const { sources, sync } = this.#parts.context
    return sync.verify(await sources.location(a), await sources.location(b), options)
  }

  /**
   * Does tasks of the queue until the signal fires; what runs then is paused, and goes on with the next worker. Runs policies and the periodic
   * jobs when they are due, too.
   *
   * @throws StowageError `invalid-request` for a number of tasks that makes no sense
   * @example
   * ```ts
   * await stowage.work({ signal })
   * ```
   */
  work(options: { signal: AbortSignal } & Pick<QueueWork, 'concurrency' | 'perSource'>): Promise<void> {
    const { context, replications, policyTasks, queue, work } = this.#parts
    const { concurrency = work.concurrency, perSource = work.perSource } = options
    const signal = AbortSignal.any([options.signal, this.#stop.signal])
    this.#probe()
    const ended = new AbortController()
    const tasks = queue.work({
      signal,
      run: (task, signal, hands) => runTask({ context, replications, policies: policyTasks }, task, signal, hands),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(perSource === undefined ? {} : { perSource }),
    })
    const policies = this.policies.schedule({ signal: AbortSignal.any([signal, ended.signal]) })
    const done = tasks.finally(() => ended.abort()).finally(() => policies)
    this.#workers.add(done)
    const over = () => this.#workers.delete(done)
    done.then(over, over)
    return done
  }

  /** What routing would answer to a request, without making it. It is recorded in full, under its `id`. */
  async route(request: RouteRequest): Promise<Decision & { id: string }> {
    const { context } = this.#parts
    await context.sources.fresh()
    if (request.datasetId === undefined || request.purpose === 'write') {
      return this.routing.decide(request, undefined, { trace: true })
    }
    const dataset = await context.catalog.getDataset(request.datasetId)
    if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${request.datasetId}".`)
    const version = request.version ?? dataset.version
    const replicas = await context.catalog.listReplicas(dataset.id, version)
    return this.routing.decide({ ...request, version, tags: dataset.tags }, replicas, { trace: true })
  }

  /** Runs the policies of everything that was published and not handled yet, and waits for them. */
  runPolicies(options: ReplicationOptions = {}): Promise<Replication[]> {
    return this.#parts.publications.drain(options)
  }

  /** Copies one version of a dataset to a source now, whatever policies say. */
  replicate(
    datasetId: string,
    version: number,
    to: string,
    options: ReplicationOptions = {},
  ): Promise<Replication & SyncResult> {
    return this.#parts.replications.run(datasetId, version, to, options)
  }

  /**
   * Throws away what uploads left behind: uploads by URL that expired, unfinished ones of processes that died, and drafts that nobody goes on
   * with. It is one of the periodic jobs; what cannot be swept now is swept the next time.
   */
  sweepDrafts(options: SweepOptions = {}): Promise<Swept> {
    return sweepDrafts(this.#parts.context, this.#parts.manifests, options)
  }

  /**
   * Reads what is due of every replica, holds it against its digests, and mends what is bad from good copies, within the budget of the
   * configuration (`scrub`). Run it every few minutes: what is not due costs nothing, and what a run does not get to, the next one goes on
   * with. Several processes share the work.
   *
   * @throws StowageError `invalid-request` for a budget below 8 MiB, `aborted`
   * @example
   * ```ts
   * const { bad, mended, findings } = await stowage.scrub()
   * ```
   */
  scrub(options: ScrubOptions = {}): Promise<ScrubResult> {
    const { context, manifests, scrub: settings } = this.#parts
    return scrub(context, manifests, settings, options)
  }

  /**
   * Makes room on caches that are above their high water mark: marks what was read longest ago, down to the low one, then takes the bytes away
   * of all that was marked and whose grace is over, on every source. It is one of the periodic jobs.
   */
  async evict(options: EvictOptions = {}): Promise<{ caches: Evicted[]; removals: Removed }> {
    const { context, manifests } = this.#parts
    const { sourceId, signal } = options
    const caches = await evict(context, options)
    const removals = await removeMarked(context, manifests, {
      ...(sourceId === undefined ? {} : { sourceId }),
      ...(signal === undefined ? {} : { signal }),
    })
    return { caches, removals }
  }

  /** How full the caches are, what would leave them next, and what is pinned. */
  cacheStatus(): Promise<{ caches: CacheStatus[]; pins: Pin[] }> {
    return cacheStatus(this.#parts.context)
  }

  /** How far the scrub is with each place that holds replicas, of all datasets or of one: when it was read last, and what was found. */
  scrubStatus(datasetId?: string): AsyncGenerator<ScrubStatus> {
    return scrubStatus(this.#parts.context, datasetId)
  }

  /**
   * Reads every replica of a dataset, or of one version, and holds each byte against its digest, whatever the scrub's budget is. What is bad
   * is marked, so that reads go elsewhere for it; with `repair` it is mended.
   *
   * @throws StowageError `not-found` when there is no such version, or no ready replica of it
   * @example
   * ```ts
   * const { clean, findings } = await stowage.verifyDataset(cats.id, { version: 3, repair: true })
   * ```
   */
  verifyDataset(datasetId: string, options: VerifyDatasetOptions = {}): Promise<DatasetVerification> {
    const { context, manifests } = this.#parts
    return verifyDataset(context, manifests, datasetId, options)
  }

  /** The policies on `event` that an object lies under, by the bucket and key an event names. */
  policiesFor(object: { bucket: string; key: string }): PolicyConfig[] {
    const { intake, context } = this.#parts
    const of = context.sources.list().filter(({ bucket }) => bucket === object.bucket)
    return of.flatMap(({ id }) => intake.policiesFor(id, object.key))
  }

  /** Asks the catalog, and the Redis of a queue on BullMQ, whether they answer. Never fails. */
  async readiness(options: ReadinessOptions = {}): Promise<PartReadiness[]> {
    const { readiness, context } = this.#parts
    const parts = await readiness.ask(options)
    return parts.map((part) =>
      part.error === undefined ? part : { ...part, error: toStowageError(context.sources.redactor.value(part.error)) },
    )
  }

  /**
   * Opens Bull Board on the queue, as pages under `/queues/`; `undefined` when the queue is not on BullMQ. It only shows, and asks nobody who
   * they are.
   *
   * @throws StowageError `configuration` that says what to install
   */
  queueBoard(): Promise<QueueBoardPages | undefined> {
    return this.#parts.board()
  }

  /** Waits until the work in the background is done. */
  async idle(): Promise<void> {
    for (let work = this.#work; ; work = this.#work) {
      await work
      await this.#parts.copies.idle()
      if (work === this.#work) return
    }
  }

  /**
   * Stops the work in the background, and gives everything back. The next process with a background, {@link runPolicies} or a worker goes on
   * with what was left.
   */
  async close(): Promise<void> {
    this.#stop.abort()
    await handOver(this.#parts, await this.#parts.copies.stop())
    await this.policies.stop()
    await this.#takingUp
    await this.idle()
    await Promise.allSettled(this.#workers)
    await this.#probing
    await this.#parts.close()
  }

  async #again(task: SyncTask, options: ReplicationOptions): Promise<SyncResult> {
    if (task.noted === true) {
      const { policyTasks } = this.#parts
      const { signal = new AbortController().signal } = options
      await policyTasks.want(task)
      return await policyTasks.perform(task, signal, { join: false, onPartitions: () => undefined })
    }
    const { sourceId, sourcePrefix, targetId, targetPrefix, datasetId, version } = task
    if (datasetId !== undefined && version !== undefined) return this.replicate(datasetId, version, targetId, options)
    if (datasetId !== undefined) {
      throw new StowageError(
        'invalid-request',
        `Task "${task.id}" is an upload, which only its folder can go on with.`,
        {
          hint: 'Run the same "stowage dataset put" again.',
        },
      )
    }
    return this.sync({
      ...task.options,
      ...options,
      from: `${sourceId}:${sourcePrefix}`,
      to: `${targetId}:${targetPrefix}`,
    })
  }

  /** Probes sources from now on until this is closed. */
  #probe(): void {
    this.#probing ??= this.#parts.prober?.run(this.#stop.signal)
  }

  #published(): void {
    if (this.#parts.background) this.#inBackground(() => this.#parts.publications.drain({ signal: this.#stop.signal }))
  }

  #inBackground(work: () => Promise<unknown>): void {
    this.#work = this.#work.then(work).catch((error) => {
      if (this.#stop.signal.aborted || hasCode(error, 'aborted')) return
      const { code, message } = toStowageError(error)
      this.events.emit('alert', { severity: 'critical', code, message })
    })
  }

  /**
   * Goes on with publications that an earlier process left. What that one had begun is held for a while after its end, and nobody else may come
   * to wait for that: it is no part of what {@link idle} waits for.
   */
  async #takeUp(): Promise<void> {
    const { publications, context } = this.#parts
    const { signal } = this.#stop
    let held: number | undefined
    do {
      this.#inBackground(async () => {
        held = undefined
        if (signal.aborted || !(await publications.concerned())) return
        held = await publications.takeUp(signal)
      })
      await this.#work
      if (held !== undefined) await context.clock.sleep(held, signal).catch(() => undefined)
    } while (held !== undefined && !signal.aborted)
  }
}
