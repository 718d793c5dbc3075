import { type AttemptCounts, type Events, harmless, type SyncProgress } from '@stowage/core'
import {
  Bandwidth,
  Buffers,
  InFlight,
  KeyLock,
  Outage,
  Progress,
  RetryBudget,
  Semaphore,
  type SourceLimit,
  type SourceLimits,
  steadyClock,
} from '../flow/index.ts'
import { type KeyFilter, keyFilter, type ObjectFilter, objectFilter } from '../plan/index.ts'
import type { IntentLog, LedgerPage, Owner, Records, UploadLog } from '../state/index.ts'
import { type TransferContext, Units } from '../transfer/index.ts'
import type { Blocked } from './blocked.ts'
import type { PassCounts } from './counts.ts'
import type { Frontier } from './frontier.ts'
import type { ResolvedOptions, SyncResult } from './options.ts'
import { Outcome } from './outcome.ts'
import type { Planned } from './planned.ts'
import { StopControl } from './stop.ts'

/** What runs need besides their options. */
export interface Engine {
  records: Records
  owner: Owner
  events: Events | undefined
  /** How much each source is asked at a time, by all runs together. */
  limits: SourceLimits
  /** Takes secrets out of what is kept and told of failures. */
  clean?: ((words: string) => string) | undefined
  /** When a key space is partitioned, for tests that have not many keys. */
  partitioning?: PartitionLimits
}

/** What makes a sync large. */
export interface PartitionLimits {
  /** Keys that one walk takes before what is to come is divided. @defaultValue 20000 */
  afterKeys: number
  /** Milliseconds that the walk takes before. @defaultValue 20000; 0 in tests that name the other limits */
  afterMs?: number
  /** Keys that the walk over a partition takes before what is left of it is worth to be divided again. @defaultValue 8192 */
  splitKeys: number
}

/** Where no test says otherwise. */
export const partitionLimits: PartitionLimits = { afterKeys: 20_000, afterMs: 20_000, splitKeys: 8192 }

/** What a two-way sync has besides. */
export interface BothWays {
  /** From the target into the source. */
  back: TransferContext
  intents: IntentLog
  /** Keys that are worked on: a version that is set aside may meet the work on the key that it is given. */
  busy: KeyLock
}

/** What all steps of a run work with. */
export interface Shared {
  options: ResolvedOptions
  filter: KeyFilter
  /** Whether an object takes part by its size and age. */
  takesPart: ObjectFilter
  transfers: TransferContext
  /** Present in a two-way sync. */
  both: BothWays | undefined
  outcome: Outcome
  stop: StopControl
  /** Set when everything is looked at once more, for writes of an owner before that may have come meanwhile. */
  mayBeLate: boolean
  /** Milliseconds since the epoch. */
  startedAt: number
  /** What the adapters had counted when it began. */
  before: AttemptCounts
}

/** What a walk over both sides works with. */
export interface PassContext extends Shared {
  /** Where results become permanent. Absent in a dry run. */
  frontier: Frontier | undefined
  /** Present in a dry run. */
  planned?: Planned
  /** The ledger from the walk's beginning on. */
  ledger: AsyncIterable<LedgerPage>
  /** Takes what only the target has stands in the way of. Absent when nothing will be deleted any more: then it fails. */
  blocked: Blocked | undefined
  /** The deletes of a two-way sync that were agreed to. Absent in a pass that makes none. */
  deletes?: AgreedDeletes
}

/** What a two-way pass may delete. */
export interface AgreedDeletes {
  counts: PassCounts
  /** Throws `lease-lost` unless the lease is ours. */
  check: () => void
}

/** Bytes in flight, at least: what a crash can make us send again. */
const inFlightBytes = 20 * 1024 * 1024

/** Bytes that are kept to be read into again, at most: those of what is in flight at the beginning. */
const keptBytes = 32 * 1024 * 1024

/** Large objects at a time. */
const largeObjects = 4

/** @param twoWay the logs that a two-way sync has besides */
export function shared(
  engine: Engine,
  options: ResolvedOptions,
  taskId: string,
  uploads: UploadLog,
  twoWay?: { uploads: UploadLog; intents: IntentLog },
): Shared {
  const { random } = engine.records
  const clock = steadyClock(engine.records.clock)
  const stop = new StopControl()
  const outcome = new Outcome(engine.clean)
  const memory = new Semaphore(Math.min(options.memoryBudget, Math.max(inFlightBytes, 2 * options.partSize)))
  const onProgress = harmless(options.onProgress, 'onProgress')
  const outage = new Outage(clock, random, options.outageMs)
  const report = (progress: SyncProgress): void => {
    engine.events?.emit('sync.progress', progress)
    onProgress(progress)
  }
  const progress = new Progress(taskId, clock, report, (began) => outage.alive(began))
  const transfers: TransferContext = {
    from: options.from,
    to: options.to,
    clock,
    random,
    uploads,
    units: new Units(
      new Semaphore(options.concurrency),
      memory,
      new InFlight(memory, options.memoryBudget, clock),
      sourcesOf(engine, options),
    ),
    buffers: new Buffers(keptBytes),
    large: new Semaphore(largeObjects),
    bandwidth: options.bandwidthLimit === undefined ? undefined : new Bandwidth(clock, options.bandwidthLimit),
    progress,
    outage,
    budget: new RetryBudget(),
    partSize: options.partSize,
    createOnly: options.createOnly,
    pinTarget: options.twoWay,
    // Two-way, they tell our own writes from those of others.
    digests: options.onSettled !== undefined || options.twoWay,
    partsTold: { held: 0, misled: 0 },
    etagsMislead: false,
    partsUntold: false,
    warn: (message) => outcome.warn(message),
    maxAttempts: options.maxAttempts,
  }
  const both = twoWay && {
    back: { ...transfers, from: options.to, to: options.from, uploads: twoWay.uploads },
    intents: twoWay.intents,
    busy: new KeyLock(),
  }
  return {
    options,
    filter: keyFilter(options.include, options.exclude),
    takesPart: objectFilter(options, clock.now()),
    outcome,
    stop,
    mayBeLate: false,
    startedAt: clock.now(),
    before: { repeated: attemptsOf(options, 'repeated'), throttled: attemptsOf(options, 'throttled') },
    transfers,
    both,
  }
}

/** What the adapters of both sides have counted. */
function attemptsOf({ from, to }: ResolvedOptions, count: keyof AttemptCounts): number {
  const adapters = new Set([from.adapter, to.adapter])
  return [...adapters].reduce((sum, { attempts }) => sum + (attempts?.[count] ?? 0), 0)
}

/** The limits of both sides, once for one that is both, in an order that is the same for every run. */
function sourcesOf({ limits }: Engine, { from, to }: ResolvedOptions): SourceLimit[] {
  const adapters = from.adapter === to.adapter ? [from.adapter] : [from.adapter, to.adapter]
  return adapters.sort((a, b) => (a.id < b.id ? -1 : 1)).map((adapter) => limits.of(adapter))
}

export function resultOf(
  { options, transfers, outcome, startedAt, before }: Shared,
  taskId: string,
  status: SyncResult['status'],
): SyncResult {
  const { objects, bytes } = transfers.progress
  return {
    taskId,
    status,
    objects: { ...objects },
    bytes: { transferred: bytes.sent, total: bytes.total, resumed: bytes.resumed },
    retries: {
      requests: attemptsOf(options, 'repeated') - before.repeated,
      throttled: attemptsOf(options, 'throttled') - before.throttled,
      objects: transfers.budget.retries,
    },
    seconds: (transfers.clock.now() - startedAt) / 1000,
    errors: outcome.errors,
    warnings: outcome.warnings,
    ...(status === 'paused' ? { continuation: { taskId } } : {}),
  }
}
