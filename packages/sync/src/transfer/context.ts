import type { Clock, Location, Random } from '@stowage/core'
import type { Bandwidth, Buffers, Bytes, ObjectBytes, Outage, Progress, RetryBudget, Semaphore } from '../flow/index.ts'
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
  /** Memory for what is read whole. */
  buffers: Buffers
  /** Large objects at a time: a few, so that they finish one after the other and yet their ends overlap. */
  large: Semaphore
  bandwidth: Bandwidth | undefined
  progress: Progress
  /** Counts the bytes of a part of the run besides. */
  also?: Bytes
  outage: Outage
  budget: RetryBudget
  /** Bytes of a part; objects up to this size go in one piece. */
  partSize: number
  createOnly: boolean
  /** Whether the target must still be as the job has it when it is written: an edit that came meanwhile is not to be lost. */
  pinTarget: boolean
  /** Whether the caller wants the digests of objects that pass through. */
  digests: boolean
  /** Objects that agreed with what the source tells of their parts, and such that did not although they were read again as before. */
  partsTold: { held: number; misled: number }
  /** Set when a target said of an etag of the source that it is not the MD5 of the bytes that came: then a CRC-32 counts instead. */
  etagsMislead: boolean
  /** Set when the target told of a part something that is no MD5: then ours are computed. */
  partsUntold: boolean
  /** Notes what the caller of the run should know and that fails nothing. */
  warn: (message: string) => void
  /** Tries of each object. */
  maxAttempts: number
}

/** Whether the digest of an object is to be computed: the caller asked for it, or names one. Otherwise a CRC-32 is enough to watch over it. */
export function wantsDigest({ digests }: TransferContext, { source }: Job): boolean {
  return digests || source.digest !== undefined
}

/** So many may disagree before it is looked at whether more agree. */
const spare = 2

/**
 * Whether what the source tells of parts is no evidence, as where its parts have other sizes than their number suggests, or where keys of its own
 * encrypt. A few objects of another kind among others do not make it so: who disagrees is read again then.
 */
export function isMisled({ partsTold: { held, misled } }: TransferContext): boolean {
  return misled > held + spare
}

/** Whether the MD5s that the target tells of parts can be held against the etag of their source: then parts may pass as they come. */
export function areTold(context: TransferContext): boolean {
  const { from, to, partsUntold } = context
  const { etagIsMd5 } = to.adapter.capabilities
  return from.adapter.capabilities.etagIsMd5 && etagIsMd5 && !partsUntold && !isMisled(context)
}

/** One object to bring over. */
export interface Job {
  /** Relative to the target's prefix. */
  key: string
  /** The object to bring over. Its key is relative to the source's prefix, and the same unless the copy is to have another name. */
  source: PlannedObject
  /** What the target has there now. */
  target: PlannedObject | undefined
  /** Told what is about to appear in the target, before it does; the write waits for it. */
  announce?: (what: Announced) => Promise<void>
}

/** A job under way. */
export interface Transfer extends Job {
  bytes: ObjectBytes
}

/** What is about to appear in the target. */
export interface Announced {
  source: Fingerprint
  /** Of the contents, unless they pass by only once and are not known before. */
  digest: string | undefined
}

/** A job done. */
export interface Transferred {
  source: Fingerprint
  target: Fingerprint
  digest?: string
  /** The digests of its blocks, when all of them passed through in this task. */
  blocks?: Uint8Array
}
