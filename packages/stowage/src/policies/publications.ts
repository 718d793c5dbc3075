import { type DatasetVersion, hasCode, type OutboxEntry, StowageError, toStowageError } from '@stowage/core'
import type { NewTask } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import type { PolicyConfig } from '../config/index.ts'
import { recordVersion } from '../datasets/publish.ts'
import { Holders } from './holders.ts'
import type { PolicySet } from './policy-set.ts'
import { failedReplication } from './policy-work.ts'
import { Records } from './records.ts'
import { isFinal, type Replication, type ReplicationOptions, type Replications } from './replications.ts'

/** How long an entry of the outbox is held by whoever handles it; after a crash another takes it then. It is renewed meanwhile. */
const HOLD_MS = 60_000
const RENEW_MS = 20_000
/** When to look again at a publication that another process is at, in milliseconds: as long as a lease lasts after its owner's death. */
const BUSY_MS = 30_000
/** When to look whether a process of this machine that is at a publication has died, in milliseconds. */
const DEAD_MS = 2000
/** Runs of one policy when its publication is handled for the first time. What still fails is tried once whenever the outbox is looked at. */
const ATTEMPTS = 4
/** Runs of a task that a publication led to, before the queue gives it up. */
const QUEUED_ATTEMPTS = 20

/** Brings published versions where policies want them. The outbox says what was published, so that a crash forgets nothing. */
export class Publications {
  readonly #context: Context
  readonly #replications: Replications
  readonly #policies: PolicySet
  readonly #holders: Holders
  #last: Promise<unknown> = Promise.resolve()

  constructor(context: Context, replications: Replications, policies: PolicySet) {
    this.#context = context
    this.#replications = replications
    this.#policies = policies
    const { catalog, records: store, clock, random } = context
    this.#holders = new Holders(new Records({ store, clock, random }), catalog)
  }

  /** Whether there is a policy here that publications concern. */
  async concerned(): Promise<boolean> {
    await this.#policies.fresh()
    return this.#policies.list().some(({ config }) => config.on === 'publish' && config.enabled !== false)
  }

  /**
   * Handles everything that waits in the outbox. One failing policy stops no other: its failure is in the result, and what may succeed later
   * stays in the outbox. Calls at the same time come one after the other.
   * @throws StowageError of the catalog
   */
  drain(options: ReplicationOptions = {}): Promise<Replication[]> {
    const all: Replication[] = []
    return this.#inTurn(async () => {
      await this.#each(options.signal, (entry) => this.#handle(entry, options, all))
      return all
    })
  }

  /**
   * Handles what waits, for who stays to go on with what other processes leave.
   * @returns milliseconds until what they hold, or are at, may be free; `undefined` when there is nothing more to wait for
   * @throws StowageError of the catalog
   */
  takeUp(signal: AbortSignal): Promise<number | undefined> {
    return this.#inTurn(async () => {
      let isBusy = false
      const onBusy = (): void => {
        isBusy = true
      }
      await this.#each(signal, (entry) => this.#handle(entry, { signal }, [], onBusy))
      const held = await this.#context.catalog.outboxHeldFor()
      const wait = isBusy ? Math.min(BUSY_MS, held ?? BUSY_MS) : held
      return wait !== undefined && (await this.#holders.areHere(signal)) ? Math.min(DEAD_MS, wait) : wait
    })
  }

  /**
   * Makes a task of the queue for each policy that a publication matches, for the workers, and is done with it then: the queue tries again, and
   * tells what it gave up. A publication for a source that is disabled, or that is not known, waits.
   * @throws StowageError of the catalog or the queue
   */
  handOver(enqueue: (task: NewTask) => Promise<unknown>, signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#each(signal, (entry) => this.#hand(entry, enqueue, signal)))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work)
    this.#last = run.catch(() => undefined)
    return run
  }

  async #hand(entry: OutboxEntry, enqueue: (task: NewTask) => Promise<unknown>, signal: AbortSignal): Promise<boolean> {
    const { catalog, sources } = this.#context
    const version = await catalog.getVersion(entry.datasetId, entry.version)
    const replicas = await catalog.listReplicas(entry.datasetId, entry.version)
    const primary = replicas.find((replica) => replica.isPrimary)
    if (version === undefined || primary === undefined) return true
    let finished = await this.#record(version, primary, signal)
    const ready = new Set(replicas.filter((replica) => replica.status === 'ready').map((replica) => replica.sourceId))
    const known = new Map(sources.list().map(({ id, enabled }) => [id, enabled]))
    for (const { id: policyId, to, priority } of await this.#matching(version, primary.sourceId)) {
      if (ready.has(to)) continue
      if (known.get(to) !== true) {
        finished = false
        continue
      }
      const { datasetId, number } = version
      await enqueue({
        datasetId,
        version: number,
        policyId,
        sourceId: primary.sourceId,
        sourcePrefix: primary.path,
        targetId: to,
        targetPrefix: `${sources.datasetRoot(to)}${datasetId}/`,
        key: `publish/${datasetId}/${number}/${to}`,
        maxAttempts: QUEUED_ATTEMPTS,
        ...(priority === undefined ? {} : { priority }),
      })
    }
    return finished
  }

  /** Takes what waits in the outbox, entry by entry. What is not finished is given back in the end. */
  async #each(signal: AbortSignal | undefined, handle: (entry: OutboxEntry) => Promise<boolean>): Promise<void> {
    const { catalog } = this.#context
    const left: OutboxEntry[] = []
    const end = new AbortController()
    const holding = this.#hold(left, signal === undefined ? end.signal : AbortSignal.any([signal, end.signal]))
    try {
      await this.#holders.giveBack(signal)
      while (signal?.aborted !== true) {
        const [entry] = await catalog.takeOutbox(1, HOLD_MS)
        if (entry === undefined) break
        left.push(entry)
        await this.#holders.begin(entry)
        if (!(await handle(entry))) continue
        await this.#holders.end(entry)
        await catalog.finishOutbox(entry.id)
        left.pop()
      }
    } finally {
      end.abort()
      await holding
      // Given back only now, or they would come again at once.
      for (const entry of left) {
        await this.#holders.end(entry)
        await catalog.releaseOutbox(entry)
      }
    }
  }

  /** Holds entries on until the signal fires, however long their copies take. */
  async #hold(entries: readonly OutboxEntry[], signal: AbortSignal): Promise<void> {
    const { catalog, clock } = this.#context
    for (;;) {
      await clock.sleep(RENEW_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      // What the catalog cannot do now it is asked for again before the time is over.
      for (const entry of [...entries]) await catalog.extendOutbox(entry, HOLD_MS).catch(() => false)
    }
  }

  /**
   * Runs the policies of one publication. Returns whether nothing is left to be done about it.
   * @param onBusy told when another process is at one of them
   */
  async #handle(
    entry: OutboxEntry,
    options: ReplicationOptions,
    results: Replication[],
    onBusy?: () => void,
  ): Promise<boolean> {
    const { catalog } = this.#context
    const version = await catalog.getVersion(entry.datasetId, entry.version)
    const replicas = await catalog.listReplicas(entry.datasetId, entry.version)
    const primary = replicas.find((replica) => replica.isPrimary)
    if (version === undefined || primary === undefined) return true
    let finished = await this.#record(version, primary, options.signal)
    const ready = new Set(replicas.filter((replica) => replica.status === 'ready').map((replica) => replica.sourceId))
    for (const policy of await this.#matching(version, primary.sourceId)) {
      if (ready.has(policy.to)) continue
      if (options.signal?.aborted) return false
      const result = await this.#apply(policy, version, { attempts: entry.attempts > 1 ? 1 : ATTEMPTS, ...options })
      if (result !== undefined) results.push(result)
      else onBusy?.()
      finished &&= result !== undefined && isOver(result)
    }
    return finished
  }

  /** Whoever published may have died between the catalog and the record beside the data. */
  async #record(
    version: DatasetVersion,
    primary: { sourceId: string; path: string },
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    try {
      await recordVersion(this.#context, version, primary.sourceId, primary.path, signal)
      return true
    } catch (error) {
      if (signal?.aborted) return false
      const { code, message } = toStowageError(error)
      this.#context.events.emit('alert', {
        severity: 'warning',
        code,
        message: `The record of version ${version.number} could not be written beside its data: ${message}`,
        datasetId: version.datasetId,
        sourceId: primary.sourceId,
      })
      // What can never be written (its source is not configured any more) must not keep the entry for ever.
      return hasCode(error, 'configuration')
    }
  }

  async #matching(version: DatasetVersion, sourceId: string): Promise<PolicyConfig[]> {
    const dataset = await this.#context.catalog.getDataset(version.datasetId)
    await this.#policies.fresh()
    const all = this.#policies.list().map(({ config }) => config)
    return all.filter(
      (policy) =>
        policy.on === 'publish' &&
        policy.enabled !== false &&
        (policy.from === '*' || policy.from === sourceId) &&
        policy.to !== sourceId &&
        (policy.tags ?? []).every((tag) => dataset?.tags.includes(tag)),
    )
  }

  /** Runs one policy, again after failures that may pass. Gives nothing when another process is at it, or it was stopped before it began. */
  async #apply(
    policy: PolicyConfig,
    version: DatasetVersion,
    { attempts, ...options }: ReplicationOptions & { attempts: number },
  ): Promise<Replication | undefined> {
    const { clock, random, events } = this.#context
    for (let attempt = 1; ; attempt++) {
      let result: Replication
      try {
        result = await this.#replications.run(version.datasetId, version.number, policy.to, {
          ...options,
          policyId: policy.id,
        })
      } catch (thrown) {
        const error = toStowageError(thrown, options.signal)
        if (hasCode(error, 'aborted', 'lease-held', 'lease-lost')) return undefined
        result = failedReplication(policy, version.datasetId, version.number, error)
      }
      const error = result.status === 'failed' ? result.error : undefined
      if (error === undefined) return result
      const again = attempt < attempts && new StowageError(error.code, error.message).retryable
      events.emit('alert', {
        severity: again ? 'warning' : 'critical',
        code: error.code,
        message: `Policy "${policy.id}" could not bring version ${version.number} to "${policy.to}"${again ? ' and will be tried again' : ''}: ${error.message}`,
        datasetId: version.datasetId,
        sourceId: policy.to,
      })
      if (!again) return result
      try {
        await clock.sleep(1000 * 2 ** (attempt - 1) * (0.5 + random.next() / 2), options.signal)
      } catch {
        return result
      }
    }
  }
}

/** Whether a policy needs no further look: it was done, it was cancelled, or trying again would change nothing. */
function isOver({ status, error }: Replication): boolean {
  if (status === 'failed') return error !== undefined && isFinal(error.code)
  return status !== 'paused'
}
