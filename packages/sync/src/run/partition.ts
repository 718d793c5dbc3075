import { compareKeys, type ObjectFailure } from '@stowage/core'
import {
  above,
  addCounts,
  type ChunkRef,
  createPartition,
  deleteRecord,
  LedgerWriter,
  noPartCounts,
  overlay,
  type PairKeys,
  type PairLease,
  type PairState,
  type PartCounts,
  type Partition,
  type Records,
  readLedger,
  storeNow,
} from '../state/index.ts'
import { freshPart, overlapping, writeAhead } from './lane.ts'
import { readAhead } from './ledger-state.ts'

/** Makes partitions of what a walk has not come to yet. What it has passed becomes the first of them. */
export interface PartitionOptions {
  records: Records
  keys: PairKeys
  lease: PairLease
  name: () => string
  /** In order, all above the last key that was passed. */
  borders: readonly string[]
  /** What was counted up to the cursor; `undefined` when an earlier run passed some of it: then it is walked over again. */
  counted: PartCounts | undefined
  errors: readonly ObjectFailure[]
  /** Objects that runs before this one brought. */
  broughtBefore: number
  taskId: string
  /** Bytes that the task has brought until now. */
  bytes: number
}

/** Writes the records of partitions, and then names the first of them in the pair's record: with that they exist. */
export async function partition(options: PartitionOptions): Promise<void> {
  const { records, keys, lease, name, borders, counted, errors, broughtBefore, taskId, bytes } = options
  const { state, signal } = lease
  const { cursor } = state
  const now = await storeNow(records, signal)
  const entries = await readAhead(records, state, signal)
  const create = async (lo: string, hi: string | null, next: string | null): Promise<string> => {
    const own = entries.filter((e) => compareKeys(e.key, lo) > 0 && (hi === null || compareKeys(e.key, hi) <= 0))
    const ahead = await writeAhead(records, own, name(), signal)
    const part = freshPart({ lo, hi, next, now, share: 1 / (borders.length + 1) })
    const created = { cursor: lo, rest: overlapping(state.rest, lo, hi), ahead, part }
    return await createPartition(records, keys, created, signal)
  }
  let next: string | null = null
  const los = [cursor, ...borders]
  for (const [i, lo] of [...los.entries()].reverse()) next = await create(lo, los[i + 1] ?? null, next)
  const passed = freshPart({ lo: '', hi: cursor, next, now, share: 0 })
  // What this run brought was not there when the keys up to the cursor were counted. Where they are counted anew, it is.
  const brought = counted === undefined ? state.brought : broughtBefore
  const { done, missed } = state
  const passedState =
    counted === undefined
      ? { rest: done, missed, part: passed }
      : {
          cursor,
          done,
          missed,
          brought: state.brought - brought,
          part: { ...passed, complete: true, counts: counted, errors: errors.slice(0, 50) },
        }
  const first = await createPartition(records, keys, passedState, signal)
  await lease.commit((now) => ({
    ...now,
    partitioning: { first, againAt: null, closing: false, touchedAt: 0, beside: { taskId, bytes } },
    cursor: '',
    done: [],
    rest: [],
    ahead: null,
    brought,
  }))
  if (state.ahead !== null) await deleteRecord(records, state.ahead.record, signal)
}

/** The counts of partitions together. */
export function sumOf(partitions: readonly Partition[]): PartCounts {
  const sum = noPartCounts()
  for (const { part } of partitions) addCounts(sum, part.counts)
  return sum
}

/**
 * Makes one ledger of those of the partitions: they lie one behind the other. Of one that is not complete, what is left of the ledger before
 * counts for the rest.
 */
export async function gather(
  records: Records,
  partitions: readonly { state: Readonly<PairState> }[],
  name: () => string,
  signal: AbortSignal,
): Promise<ChunkRef[]> {
  const writer = new LedgerWriter(records, [], '', name, signal)
  for (const { state } of partitions) {
    for (const ref of state.done) await writer.take(ref)
    const { part } = state
    if (part === null || part.complete) continue
    const ahead = await readAhead(records, state, signal)
    const left = overlay(readLedger(records, above(state.rest, state.cursor), state.cursor, signal), ahead)
    for await (const { entries } of left) {
      const own = part.hi === null ? entries : entries.filter(({ key }) => compareKeys(key, part.hi as string) <= 0)
      for (const entry of own) await writer.append(entry)
      if (own.length < entries.length) break
    }
  }
  return (await writer.flush(true)).refs
}
