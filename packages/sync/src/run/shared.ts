import type { Events } from '@stowage/core'
import { Bandwidth, InFlight, Outage, Progress, RetryBudget, Semaphore } from '../flow/index.ts'
import { type KeyFilter, keyFilter } from '../plan/index.ts'
import type { LedgerPage, Owner, Records, UploadLog } from '../state/index.ts'
import { type TransferContext, Units } from '../transfer/index.ts'
import type { Blocked } from './blocked.ts'
import type { Frontier } from './frontier.ts'
import type { ResolvedOptions, SyncResult } from './options.ts'
import { Outcome } from './outcome.ts'
import { StopControl } from './stop.ts'

/** What runs need besides their options. */
export interface Engine {
  records: Records
  owner: Owner
  events: Events | undefined
}

/** What all steps of a run work with. */
export interface Shared {
  options: ResolvedOptions
  filter: KeyFilter
  transfers: TransferContext
  outcome: Outcome
  stop: StopControl
  inFlight: InFlight
  /** Milliseconds since the epoch. */
  startedAt: number
}

/** What a walk over both sides works with. */
export interface PassContext extends Shared {
  /** Where results become permanent. Absent in a dry run. */
  frontier: Frontier | undefined
  /** The ledger from the walk's beginning on. */
  ledger: AsyncIterable<LedgerPage>
  /** Takes what only the target has stands in the way of. Absent when nothing will be deleted any more: then it fails. */
  blocked: Blocked | undefined
}

/** How long a store may be down before the run ends, in milliseconds. */
const outageMs = 60_000

/** Bytes in flight, at least: what a crash can make us send again. */
const inFlightBytes = 20 * 1024 * 1024

/** Large objects at a time. */
const largeObjects = 4

export function shared(engine: Engine, options: ResolvedOptions, taskId: string, uploads: UploadLog): Shared {
  const { clock, random } = engine.records
  const stop = new StopControl()
  const memory = new Semaphore(Math.min(options.memoryBudget, Math.max(inFlightBytes, 2 * options.partSize)))
  const progress = new Progress(taskId, clock, (report) => {
    engine.events?.emit('sync.progress', report)
    options.onProgress?.(report)
  })
  return {
    options,
    inFlight: new InFlight(memory, options.memoryBudget),
    filter: keyFilter(options.include, options.exclude),
    outcome: new Outcome(),
    stop,
    startedAt: clock.now(),
    transfers: {
      from: options.from,
      to: options.to,
      clock,
      random,
      uploads,
      units: new Units(new Semaphore(options.concurrency), memory),
      large: new Semaphore(largeObjects),
      bandwidth: options.bandwidthLimit === undefined ? undefined : new Bandwidth(clock, options.bandwidthLimit),
      progress,
      outage: new Outage(clock, random, outageMs),
      budget: new RetryBudget(),
      partSize: options.partSize,
      createOnly: options.createOnly,
      digests: options.onSettled !== undefined,
      misled: false,
      maxAttempts: options.maxAttempts,
    },
  }
}

export function resultOf(
  { transfers, outcome, startedAt }: Shared,
  taskId: string,
  status: SyncResult['status'],
): SyncResult {
  const { objects, transferred, total, resumed } = transfers.progress
  return {
    taskId,
    status,
    objects: { ...objects },
    bytes: { transferred, total, resumed },
    seconds: (transfers.clock.now() - startedAt) / 1000,
    errors: outcome.errors,
    warnings: outcome.warnings,
    ...(status === 'paused' ? { continuation: { taskId } } : {}),
  }
}
