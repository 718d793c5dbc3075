import {
  type DatasetVersion,
  hasCode,
  type OutboxEntry,
  StowageError,
  type SyncProgress,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import type { SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import type { PolicyConfig } from '../config/index.ts'
import { type Manifests, replicate } from '../datasets/index.ts'
import { recordVersion } from '../datasets/publish.ts'

export interface ReplicationOptions {
  signal?: AbortSignal
  onProgress?: (progress: SyncProgress) => void
}

/** One sync that a publication led to. */
export interface Replication extends SyncResult {
  datasetId: string
  version: number
  policyId?: string
  from: string
  to: string
}

/** How long an entry of the outbox is held by whoever handles it; after a crash another takes it then. */
const HOLD_MS = 60_000
/** Runs of one replication, the first included, before it is left to `task retry`. */
const ATTEMPTS = 4

/** Brings published versions where policies want them. The outbox says what was published, so that a crash forgets nothing. */
export class Publications {
  readonly #context: Context
  readonly #manifests: Manifests
  #running: Promise<Replication[]> | undefined
  #again = false

  constructor(context: Context, manifests: Manifests) {
    this.#context = context
    this.#manifests = manifests
  }

  /** Handles everything that waits in the outbox. Calls at the same time share one run. */
  drain(options: ReplicationOptions = {}): Promise<Replication[]> {
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#drain(options).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /**
   * Copies a version to a source, from the best ready replica.
   * @throws StowageError `not-found`, `no-source` when no replica is ready
   */
  async replicate(
    datasetId: string,
    number: number,
    to: string,
    options: ReplicationOptions & { policyId?: string } = {},
  ): Promise<Replication> {
    const { catalog } = this.#context
    const version = await catalog.getVersion(datasetId, number)
    if (version === undefined) throw new StowageError('not-found', `Dataset ${datasetId} has no version ${number}.`)
    const replicas = await catalog.listReplicas(datasetId, number)
    const ready = replicas.filter((replica) => replica.sourceId !== to)
    const decision = this.#context.decide(
      {
        purpose: 'repair',
        actor: { userType: 'internal' },
        datasetId,
        version: number,
        size: version.size,
        excludeSources: [to],
      },
      ready,
    )
    const from = ready.find((replica) => replica.sourceId === decision.candidates[0]?.sourceId)
    if (from === undefined) {
      throw new StowageError('no-source', `No ready replica of version ${number} can be read.`, {
        hint: decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`).join('; '),
      })
    }
    const result = await replicate(this.#context, {
      version,
      manifest: await this.#manifests.of(version, [from]),
      from,
      to,
      ...options,
    })
    const policy = options.policyId === undefined ? {} : { policyId: options.policyId }
    return { ...result, ...policy, datasetId, version: number, from: from.sourceId, to }
  }

  async #drain(options: ReplicationOptions): Promise<Replication[]> {
    const all: Replication[] = []
    do {
      this.#again = false
      for (let entries = await this.#take(); entries.length > 0; entries = await this.#take()) {
        for (const entry of entries) {
          throwIfAborted(options.signal)
          all.push(...(await this.#handle(entry, options)))
        }
      }
    } while (this.#again)
    return all
  }

  #take(): Promise<OutboxEntry[]> {
    return this.#context.catalog.takeOutbox(1, HOLD_MS)
  }

  async #handle(entry: OutboxEntry, options: ReplicationOptions): Promise<Replication[]> {
    const { catalog } = this.#context
    const version = await catalog.getVersion(entry.datasetId, entry.version)
    const replicas = await catalog.listReplicas(entry.datasetId, entry.version)
    const primary = replicas.find((replica) => replica.isPrimary)
    const done: Replication[] = []
    let finished = true
    if (version !== undefined && primary !== undefined) {
      // Whoever published may have died between the catalog and the record beside the data.
      await recordVersion(this.#context, version, primary.sourceId, primary.path, options.signal)
      const ready = new Set(replicas.filter((replica) => replica.status === 'ready').map((replica) => replica.sourceId))
      for (const policy of await this.#matching(version, primary.sourceId)) {
        if (ready.has(policy.to)) continue
        const applied = await this.#apply(policy, version, options)
        if (applied.replication !== undefined) done.push(applied.replication)
        finished &&= applied.finished
      }
    }
    if (finished) await catalog.finishOutbox(entry.id)
    return done
  }

  async #matching(version: DatasetVersion, sourceId: string): Promise<PolicyConfig[]> {
    const dataset = await this.#context.catalog.getDataset(version.datasetId)
    return this.#context.policies.filter(
      (policy) =>
        policy.on === 'publish' &&
        policy.enabled !== false &&
        (policy.from === '*' || policy.from === sourceId) &&
        policy.to !== sourceId &&
        (policy.tags ?? []).every((tag) => dataset?.tags.includes(tag)),
    )
  }

  /**
   * Runs one policy, again after failures that may pass. It is not finished when it was stopped, or when another process is at it: the entry
   * then stays in the outbox, for the case that the other one dies.
   */
  async #apply(
    policy: PolicyConfig,
    version: DatasetVersion,
    options: ReplicationOptions,
  ): Promise<{ replication?: Replication; finished: boolean }> {
    const { clock, random, events } = this.#context
    for (let attempt = 1; ; attempt++) {
      let failure: StowageError
      try {
        const result = await this.replicate(version.datasetId, version.number, policy.to, {
          ...options,
          policyId: policy.id,
        })
        if (result.status !== 'failed') return { replication: result, finished: result.status !== 'paused' }
        const [first] = result.errors
        failure = new StowageError(
          (first?.code ?? 'internal') as StowageError['code'],
          first?.message ?? 'The sync failed.',
        )
        if (attempt >= ATTEMPTS || !failure.retryable) {
          this.#alert(policy, version, failure)
          return { replication: result, finished: true }
        }
      } catch (error) {
        if (hasCode(error, 'aborted')) throw error
        failure = toStowageError(error)
        if (failure.code === 'lease-held' || failure.code === 'lease-lost') return { finished: false }
        if (attempt >= ATTEMPTS || !failure.retryable) {
          this.#alert(policy, version, failure)
          return { finished: true }
        }
      }
      events.emit('alert', {
        severity: 'warning',
        code: failure.code,
        message: `Policy "${policy.id}" will be tried again: ${failure.message}`,
      })
      await clock.sleep(1000 * 2 ** (attempt - 1) * (0.5 + random.next() / 2), options.signal)
    }
  }

  #alert(policy: PolicyConfig, version: DatasetVersion, failure: StowageError): void {
    this.#context.events.emit('alert', {
      severity: 'critical',
      code: failure.code,
      message: `Policy "${policy.id}" could not bring version ${version.number} to "${policy.to}": ${failure.message}`,
      datasetId: version.datasetId,
      sourceId: policy.to,
    })
  }
}
