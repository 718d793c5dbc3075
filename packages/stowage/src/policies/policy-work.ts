import { type ErrorCode, StowageError, type SyncProgress, toStowageError } from '@stowage/core'
import type { Hands, SyncOptions, SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import { isPrefixPair, type PolicyConfig } from '../config/index.ts'
import { isShared, refuseEndless } from './endless.ts'
import type { PolicyRunRecord } from './policy-records.ts'
import type { PolicySet } from './policy-set.ts'
import type { Replication, Replications } from './replications.ts'
import { writesTo } from './rings.ts'

export interface WorkOptions {
  signal: AbortSignal
  /** Only these keys, relative to the prefixes. @defaultValue everything */
  keys?: readonly string[]
  timeLimitMs?: number
  onProgress?: (progress: SyncProgress) => void
  /** Of the queue: its record tells of the sync of a prefix pair. */
  taskId?: string
  hands?: Hands
}

/** What the work of a policy came to. */
export interface WorkDone extends Pick<PolicyRunRecord, 'status' | 'taskId' | 'objects' | 'bytes'> {
  /** The sync of the prefix pair, or those of versions that were missing. */
  syncs: (SyncResult | Replication)[]
  /** Why it failed, as it was thrown or told. */
  failure?: StowageError
  /** The same, when it was thrown. */
  thrown?: StowageError
}

/** Does what a policy says, once: syncs its prefixes, or brings the versions that its target does not have. */
export class PolicyWork {
  readonly #context: Context
  readonly #replications: Replications
  readonly #policies: PolicySet

  constructor(context: Context, replications: Replications, policies: PolicySet) {
    this.#context = context
    this.#replications = replications
    this.#policies = policies
  }

  /** Never throws: what was thrown is in the result. */
  async do(policy: PolicyConfig, options: WorkOptions): Promise<WorkDone> {
    const syncs: (SyncResult | Replication)[] = []
    let failure: StowageError | undefined
    try {
      if (isPrefixPair(policy)) syncs.push(await this.#pair(policy, options))
      else return await this.#allVersions(policy, options)
    } catch (thrown) {
      failure = toStowageError(thrown, options.signal)
    }
    return summed(syncs, failure)
  }

  /** Copies of versions are tasks of their own, which nobody cancels with this one: the one under way is left to be gone on with. */
  async #allVersions(policy: PolicyConfig, options: WorkOptions): Promise<WorkDone> {
    const { signal, hands } = options
    const cancelled = hands?.cancelled ?? new AbortController().signal
    const syncs: Replication[] = []
    let failure: StowageError | undefined
    try {
      const until = AbortSignal.any([signal, cancelled])
      for await (const one of this.#versions(policy, { ...options, signal: until })) syncs.push(one)
    } catch (thrown) {
      failure = toStowageError(thrown, signal)
    }
    if (!cancelled.aborted || signal.aborted) return summed(syncs, failure)
    return { ...summed(syncs, undefined), status: 'cancelled' }
  }

  /** Helps the run of a policy that another worker is at. */
  async help(policy: PolicyConfig, options: WorkOptions & { hands: Hands }): Promise<SyncResult> {
    return await this.#pair(policy, options)
  }

  async #pair(policy: PolicyConfig, options: WorkOptions): Promise<SyncResult> {
    const { signal, keys, timeLimitMs, onProgress, taskId, hands } = options
    const { sources, sync } = this.#context
    const all = this.#policies.list()
    refuseEndless(policy, all)
    const others = all.map(({ config }) => config)
    const shared: Pick<SyncOptions, 'join' | 'onPartitions'> =
      keys === undefined && policy.twoWay !== true && hands !== undefined
        ? { join: hands.join, onPartitions: hands.onPartitions }
        : {}
    return await sync.run({
      ...syncOptionsOf(policy),
      ...shared,
      ...(taskId === undefined ? {} : { taskId }),
      from: await sources.location(policy.from),
      to: await sources.location(policy.to),
      policyId: policy.id,
      // What others put there may be what this policy put somewhere before: a copy that came round must be known for what it is.
      compareUnknown: others.some((other) => writesTo(other, policy)),
      // What is new there, others bring here, or it is theirs.
      leaveChanged: policy.twoWay !== true && isShared(policy, others),
      signal,
      ...(keys === undefined ? {} : { keys }),
      ...(timeLimitMs === undefined ? {} : { timeLimitMs }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
  }

  /** Brings what is missing, oldest version first. One that fails holds up no other. */
  async *#versions(policy: PolicyConfig, { signal, onProgress }: WorkOptions): AsyncGenerator<Replication> {
    for await (const { datasetId, version } of this.#missing(policy)) {
      signal.throwIfAborted()
      try {
        const options = { signal, policyId: policy.id, ...(onProgress === undefined ? {} : { onProgress }) }
        yield await this.#replications.run(datasetId, version, policy.to, options)
      } catch (thrown) {
        const error = toStowageError(thrown, signal)
        if (error.code === 'aborted') throw error
        yield failedReplication(policy, datasetId, version, error)
      }
    }
  }

  async *#missing(policy: PolicyConfig): AsyncGenerator<{ datasetId: string; version: number }> {
    const { catalog } = this.#context
    for (let after: string | undefined; ; ) {
      const page = await catalog.listDatasets({ limit: 100, ...(after === undefined ? {} : { after }) })
      for (const { id, tags } of page) {
        if (!(policy.tags ?? []).every((tag) => tags.includes(tag))) continue
        const replicas = await catalog.listReplicas(id)
        const primaries = replicas.filter(
          ({ isPrimary, sourceId }) =>
            isPrimary && sourceId !== policy.to && (policy.from === '*' || policy.from === sourceId),
        )
        for (const { version } of primaries.sort((a, b) => a.version - b.version)) {
          const there = replicas.find((replica) => replica.version === version && replica.sourceId === policy.to)
          if (there?.status !== 'ready' && there?.status !== 'deleting') yield { datasetId: id, version }
        }
      }
      after = page.at(-1)?.id
      if (page.length < 100) return
    }
  }
}

/** What a policy says about its syncs. */
function syncOptionsOf(policy: PolicyConfig): object {
  const { twoWay, conflict, delete: remove, maxDeletePercent, maxDeleteCount, include, exclude } = policy
  const { minSize, maxSize, minAgeMs, maxAgeMs } = policy
  const options = {
    twoWay,
    conflict,
    delete: remove,
    maxDeletePercent,
    maxDeleteCount,
    include,
    exclude,
    minSize,
    maxSize,
    minAgeMs,
    maxAgeMs,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** A replication that failed before it was begun. */
export function failedReplication(
  policy: Pick<PolicyConfig, 'id' | 'to'>,
  datasetId: string,
  version: number,
  { code, message }: StowageError,
): Replication {
  return {
    datasetId,
    version,
    policyId: policy.id,
    to: policy.to,
    status: 'failed',
    objects: { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 },
    bytes: { transferred: 0, total: 0, resumed: 0 },
    seconds: 0,
    errors: [],
    warnings: [],
    error: { code, message },
  }
}

function summed(syncs: (SyncResult | Replication)[], thrown: StowageError | undefined): WorkDone {
  const objects = { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 }
  let bytes = 0
  for (const sync of syncs) {
    for (const name of ['copied', 'skipped', 'deleted', 'failed', 'conflicts'] as const)
      objects[name] += sync.objects[name]
    bytes += sync.bytes.transferred
  }
  const failed = syncs.find(({ status }) => status === 'failed')
  const told = failed?.error ?? failed?.errors[0]
  const failure =
    thrown ??
    (failed && new StowageError((told?.code ?? 'unavailable') as ErrorCode, told?.message ?? 'Some objects failed.'))
  const last = syncs.at(-1)
  const taskId = syncs.length === 1 ? last?.taskId : undefined
  const stopped = syncs.map(({ status }) => status).find((status) => status === 'paused' || status === 'cancelled')
  const status =
    failure === undefined
      ? (stopped ?? 'success')
      : failure.code === 'aborted'
        ? ('paused' as const)
        : ('failed' as const)
  return {
    status,
    objects,
    bytes,
    syncs,
    ...(taskId === undefined ? {} : { taskId }),
    ...(failure === undefined ? {} : { failure }),
    ...(thrown === undefined ? {} : { thrown }),
  }
}
