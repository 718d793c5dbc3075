import type { ObjectFailure } from '@stowage/core'

/** What is counted of the keys of a partition, or of several. */
export interface PartCounts {
  /** Objects of the source. */
  source: number
  target: number
  /** Objects of the target that the source does not have, and that take part. */
  extra: number
  /** Of these, the ones that the ledger does not know. */
  foreign: number
  copied: number
  skipped: number
  failed: number
  conflicts: number
  /** Objects that wait for the deletes. */
  blocked: number
  /** Entries of a listing that could not be objects. */
  problems: number
}

/** Bytes of the objects of a partition. */
export interface PartBytes {
  /** That came into the target, by all who walked over it. */
  arrived: number
  /** That were there already, as parts. */
  resumed: number
  /** That are still to come of the objects under way. */
  left: number
}

/** What makes a record that of a partition: the keys above `lo` up to `hi`, relative to the prefixes. */
export interface PartInfo {
  lo: string
  /** `null`: without end. */
  hi: string | null
  /** The partition that begins at `hi`. Only what can be reached from the first one exists: splitting is one write of this field. */
  next: string | null
  complete: boolean
  /** Milliseconds since the epoch, by the store's clock: the walk over it began no earlier. */
  walkedAt: number
  /** When somebody last gave it back; milliseconds since the epoch. */
  touchedAt: number
  /** Of all keys up to the cursor. */
  counts: PartCounts
  /** Absent in the records of earlier versions, as is `share`. */
  bytes?: PartBytes
  /** The share of the keys, 0 to 1, that it is taken to have beside the other partitions. */
  share?: number
  /** The first failures. */
  errors: ObjectFailure[]
}

/** What the pair's record says while its key space is partitioned. */
export interface Partitioning {
  /** The partition that begins at the beginning. */
  first: string
  /** When a worker that led the task last gave it back; milliseconds since the epoch. */
  touchedAt: number
  /** When partitions that earlier runs had walked were opened again, to be looked at once more; milliseconds since the epoch. */
  againAt: number | null
  /** What was walked over before this is to be opened again, since nobody worked on the task for long then; milliseconds since the epoch. */
  staleBefore?: number
  /**
   * What the task had brought into the target, in bytes, beside what the partitions tell. Below zero where they tell of an earlier task too.
   * Absent in the records of earlier versions.
   */
  beside?: { taskId: string; bytes: number }
  /** No more partition is to be begun, and those under way are to be given back. */
  closing: boolean
}

export function noPartCounts(): PartCounts {
  return {
    source: 0,
    target: 0,
    extra: 0,
    foreign: 0,
    copied: 0,
    skipped: 0,
    failed: 0,
    conflicts: 0,
    blocked: 0,
    problems: 0,
  }
}

/** Adds counts to others. */
export function addCounts(to: PartCounts, more: PartCounts): void {
  for (const name of Object.keys(to) as (keyof PartCounts)[]) to[name] += more[name]
}

export function noPartBytes(): PartBytes {
  return { arrived: 0, resumed: 0, left: 0 }
}

/** The bytes of a partition, whatever version wrote its record. */
export function bytesOf({ bytes }: Pick<PartInfo, 'bytes'>): PartBytes {
  return bytes ?? noPartBytes()
}

/** Adds bytes to others. */
export function addBytes(to: PartBytes, more: PartBytes): void {
  for (const name of Object.keys(to) as (keyof PartBytes)[]) to[name] += more[name]
}
