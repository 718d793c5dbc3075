import { type DatasetReplica, type ErrorCode, StowageError, type SyncProgress, toStowageError } from '@stowage/core'
import type { SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import { type Manifests, placesOf, replicate } from '../datasets/index.ts'
import { unlessAborted } from '../datasets/unless-aborted.ts'

export interface ReplicationOptions {
  signal?: AbortSignal
  onProgress?: (progress: SyncProgress) => void
}

/** One copy of a version that was asked for, or that a publication led to. */
export interface Replication extends Omit<SyncResult, 'taskId'> {
  /** Absent when it failed before there was a task. */
  taskId?: string
  datasetId: string
  version: number
  policyId?: string
  /** The replica that was copied from. Absent when there was none. */
  from?: string
  to: string
}

/** Failures that no later try changes: somebody has to look at them. */
const final: ReadonlySet<string> = new Set<ErrorCode>([
  'unsafe',
  'conflict',
  'invalid-key',
  'not-supported',
  'not-found',
  'integrity',
])

/** Failures that reading can have: another replica to copy from may help. */
const sourceFaults: ReadonlySet<string> = new Set<ErrorCode>([
  'integrity',
  'not-found',
  'bucket-not-found',
  'unavailable',
  'timeout',
  'throttled',
  'access-denied',
  'archived',
  'source-changed',
])

/** Whether a copy that failed so is not tried again by itself. */
export function isFinal(code: string): boolean {
  return final.has(code)
}

/** Copies versions between sources. */
export class Replications {
  readonly #context: Context
  readonly #manifests: Manifests

  constructor(context: Context, manifests: Manifests) {
    this.#context = context
    this.#manifests = manifests
  }

  /**
   * Copies a version to a source, from the best ready replica; from the next one where that is damaged or cannot be read.
   * @throws StowageError `not-found`, `no-source` when no replica is ready, `unavailable` when the target is disabled
   */
  async run(
    datasetId: string,
    number: number,
    to: string,
    options: ReplicationOptions & { policyId?: string; taskId?: string } = {},
  ): Promise<Replication & SyncResult> {
    const { catalog, events, sources } = this.#context
    await sources.fresh()
    const version = await catalog.getVersion(datasetId, number)
    if (version === undefined) throw new StowageError('not-found', `Dataset ${datasetId} has no version ${number}.`)
    if (!sources.get(to).enabled) {
      throw new StowageError('unavailable', `Source "${to}" is disabled.`, {
        sourceId: to,
        retryable: false,
        hint: 'Enable it, or remove the policy that writes to it.',
      })
    }
    const replicas = await this.#readable(datasetId, number, version.size, to)
    const manifest = await unlessAborted(this.#manifests.of(version, replicas), options.signal)
    const places = placesOf(sources, replicas)
    const policy = options.policyId === undefined ? {} : { policyId: options.policyId }
    for (const [i, from] of replicas.entries()) {
      const isLast = i === replicas.length - 1
      const tell = (code: string, message: string) =>
        events.emit('alert', {
          severity: 'warning',
          code,
          message: `Version ${number} could not be copied from "${from.sourceId}" to "${to}": ${message}`,
          datasetId,
          sourceId: from.sourceId,
        })
      try {
        const result = await replicate(this.#context, { version, manifest, from, places, to, ...options })
        const failure = result.error ?? (result.errors[0] as { code: ErrorCode; message: string } | undefined)
        if (result.status !== 'failed' || failure === undefined || isLast || !sourceFaults.has(failure.code)) {
          const error = result.status === 'failed' && failure !== undefined ? { error: failure } : {}
          return { ...result, ...error, ...policy, datasetId, version: number, from: from.sourceId, to }
        }
        tell(failure.code, failure.message)
      } catch (thrown) {
        const error = toStowageError(thrown, options.signal)
        if (isLast || error.sourceId === to || !sourceFaults.has(error.code)) throw error
        tell(error.code, error.message)
      }
    }
    throw new StowageError('no-source', `No ready replica of version ${number} can be read.`)
  }

  /** Ready replicas to copy from, best first. */
  async #readable(datasetId: string, version: number, size: number, to: string): Promise<DatasetReplica[]> {
    const replicas = await this.#context.catalog.listReplicas(datasetId, version)
    const decision = await this.#context.decide(
      { purpose: 'repair', actor: { userType: 'internal' }, datasetId, version, size, excludeSources: [to] },
      replicas,
    )
    const found = decision.candidates.flatMap(({ sourceId }) => replicas.find((r) => r.sourceId === sourceId) ?? [])
    if (found.length > 0) return found
    throw new StowageError('no-source', `No ready replica of version ${version} can be read.`, {
      hint: decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`).join('; '),
    })
  }
}
