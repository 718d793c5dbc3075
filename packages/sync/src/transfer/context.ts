import type { Clock, Location, Random } from '@stowage/core'
import type { Bandwidth, Outage, Progress, RetryBudget, Semaphore } from '../flow/index.ts'
import type { PlannedObject } from '../plan/index.ts'
import type { Fingerprint, UploadLog } from '../state/index.ts'
import type { Units } from './units.ts'

/** What all transfers of a run share. */
export interface TransferContext {
  from: Location
  to: Location
  clock: Clock
  random: Random
  uploads: UploadLog
  /** Every request with a body is a unit: it waits for a slot and for memory, and can be stopped by itself. */
  units: Units
  /** Large objects at a time: a few, so that they finish one after the other and yet their ends overlap. */
  large: Semaphore
  bandwidth: Bandwidth | undefined
  progress: Progress
  outage: Outage
  budget: RetryBudget
  /** Bytes of a part; objects up to this size go in one piece. */
  partSize: number
  createOnly: boolean
  /** Whether the caller wants the digests of objects that pass through. */
  digests: boolean
  /** Set when the sizes of the source's parts turned out not to be what their numbers suggest: then they are no evidence. */
  misled: boolean
  /** Tries of each object. */
  maxAttempts: number
}

/** One object to bring over. */
export interface Job {
  /** Relative to both prefixes. */
  key: string
  source: PlannedObject
  /** What the target has there now. */
  target: PlannedObject | undefined
}

/** A job done. */
export interface Transferred {
  source: Fingerprint
  target: Fingerprint
  digest?: string
  /** The digests of its blocks, when all of them passed through in this task. */
  blocks?: Uint8Array
}
