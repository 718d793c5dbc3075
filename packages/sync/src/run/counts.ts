import type { ObjectFilter, Row } from '../plan/index.ts'
import { type Pending, tallied } from './tally.ts'

/** What a pass counted. */
export interface PassCounts {
  source: number
  target: number
  /** Objects of the target that the source does not have, and that take part. */
  extra: number
  /** Of these, the ones that the ledger does not know: they never came from the source. */
  foreign: number
  /** Their keys, unless they are too many to remember. */
  extraKeys: Set<string> | undefined
  /** Objects of the source that a two-way sync is to delete, since they were deleted in the target. */
  extraBack: number
  /** What these keys take in memory. */
  extraBytes: number
  /** Entries of a listing that could not be objects: what lies there is not known. */
  problems: number
  /** Of these, the ones that count as failures. */
  unlisted: number
}

/** Bytes of memory that extra keys may take which are remembered, to be deleted only when they are found extra again. */
const rememberedBytes = 8 * 1024 * 1024

/** What a key takes beside its characters, of which each may take two bytes. */
const keyOverhead = 64

export function noCounts(): PassCounts {
  return {
    source: 0,
    target: 0,
    extra: 0,
    foreign: 0,
    extraKeys: new Set(),
    extraBack: 0,
    extraBytes: 0,
    problems: 0,
    unlisted: 0,
  }
}

export function countRow(
  { key, source, target, entry }: Row,
  counts: PassCounts,
  takesPart: ObjectFilter,
  pending?: Pending,
): void {
  let bits = 0
  if (source !== undefined) {
    counts.source++
    bits |= tallied.source
  }
  if (target !== undefined) {
    counts.target++
    bits |= tallied.target
    if (source === undefined && takesPart(target)) {
      counts.extra++
      bits |= tallied.extra
      if (entry === undefined) {
        counts.foreign++
        bits |= tallied.foreign
      }
      remember(key, counts)
    }
  }
  if (pending !== undefined) pending.tally |= bits
}

/** Remembers the key of an object that may be deleted, as long as there is room for it. */
export function remember(key: string, counts: PassCounts): void {
  if (counts.extraKeys === undefined) return
  counts.extraBytes += keyOverhead + 2 * key.length
  // A copy, since a key cut out of a listing keeps the whole page in memory.
  if (counts.extraBytes <= rememberedBytes) counts.extraKeys.add(Buffer.from(key).toString())
  else counts.extraKeys = undefined
}

/** Remembers the keys that another count remembered. */
export function rememberAll(counts: PassCounts, more: PassCounts): void {
  if (counts.extraKeys === undefined) return
  counts.extraBytes += more.extraBytes
  if (more.extraKeys === undefined || counts.extraBytes > rememberedBytes) counts.extraKeys = undefined
  else for (const key of more.extraKeys) counts.extraKeys.add(key)
}
