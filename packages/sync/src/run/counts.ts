import type { Row } from '../plan/index.ts'

/** What a pass counted. */
export interface PassCounts {
  source: number
  target: number
  /** Objects of the target that the source does not have. */
  extra: number
  /** Of these, the ones that the ledger does not know: they never came from the source. */
  foreign: number
  /** Their keys, unless they are too many to remember. */
  extraKeys: Set<string> | undefined
  /** Entries of a listing that could not be objects: what lies there is not known. */
  problems: number
}

/** Extra keys that are remembered, to be deleted only when they are found extra again. */
const remembered = 100_000

export function noCounts(): PassCounts {
  return { source: 0, target: 0, extra: 0, foreign: 0, extraKeys: new Set(), problems: 0 }
}

export function countRow({ key, source, target, entry }: Row, counts: PassCounts): void {
  if (source !== undefined) counts.source++
  if (target === undefined) return
  counts.target++
  if (source !== undefined) return
  counts.extra++
  if (entry === undefined) counts.foreign++
  if (counts.extra <= remembered) counts.extraKeys?.add(key)
  else counts.extraKeys = undefined
}
