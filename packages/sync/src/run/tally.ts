import type { SyncCounts } from '@stowage/core'
import type { EntryOrigin, LedgerEntry, PartCounts } from '../state/index.ts'

/** A key on its way to being settled. */
export interface Pending {
  readonly key: string
  settled: boolean
  entry: LedgerEntry | undefined
  /** Set when the entry is an unchanged one of the old ledger. */
  origin: EntryOrigin | undefined
  /** Digests of the object's blocks, when they are known. */
  blocks: Uint8Array | undefined
  /** What the key counts as: bits of {@link tallied}. */
  tally: number
}

type Countable = Exclude<keyof PartCounts, 'problems'>

/** What a key can count as. One bit each, since it is noted for every key. */
export const tallied: Readonly<Record<Countable, number>> = {
  source: 1,
  target: 2,
  extra: 4,
  foreign: 8,
  copied: 16,
  skipped: 32,
  failed: 64,
  conflicts: 128,
  blocked: 256,
}

const names = Object.keys(tallied) as Countable[]

/** Counts what became of a key, for the run and for the partition that it lies in. */
export function countObject(
  objects: SyncCounts,
  pending: Pending | undefined,
  what: 'copied' | 'skipped' | 'failed' | 'conflicts',
): void {
  objects[what]++
  if (pending !== undefined) pending.tally |= tallied[what]
}

/**
 * Counts keys in order, and tells the counts of exactly those that a cursor has passed: a walk that goes on at the cursor counts the others
 * again.
 */
export class Tally {
  readonly #passed: PartCounts
  /** How many keys count as what, of those beyond the cursor to come. */
  readonly #beyond = new Map<number, number>()

  constructor(before: PartCounts) {
    this.#passed = { ...before }
  }

  add({ tally }: Pending): void {
    this.#beyond.set(tally, (this.#beyond.get(tally) ?? 0) + 1)
  }

  /** The cursor to come moved past all that was added. */
  pass(): void {
    for (const [bits, count] of this.#beyond) {
      for (const name of names) if (bits & tallied[name]) this.#passed[name] += count
    }
    this.#beyond.clear()
  }

  /** Counts entries of listings that could not be objects, which have no place in the order. */
  note(problems: number, failed: number): void {
    this.#passed.problems += problems
    this.#passed.failed += failed
  }

  /** The counts of all that was passed. */
  get counts(): PartCounts {
    return { ...this.#passed }
  }
}
