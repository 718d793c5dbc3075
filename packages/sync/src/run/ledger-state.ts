import { compareKeys } from '@stowage/core'
import {
  above,
  type ChunkRef,
  decodeEntries,
  decodePair,
  decodeRefs,
  deleteRecord,
  encodeEntries,
  type LedgerEntry,
  type LedgerPage,
  listRecords,
  overlay,
  type PairKeys,
  type PairState,
  type Records,
  readLedger,
  readRecord,
  referencedRecords,
  writeRecord,
} from '../state/index.ts'

/** What the ledger says of keys above the cursor. */
export async function* ledgerAbove(
  records: Records,
  state: PairState,
  ahead: readonly LedgerEntry[],
  signal: AbortSignal,
  onRead?: (ref: ChunkRef) => void,
): AsyncGenerator<LedgerPage> {
  yield* overlay(readLedger(records, state.rest, state.cursor, signal, onRead), ahead)
}

/** All that the ledger says, whatever pass it is from. Reads only; for dry runs. */
export async function* wholeLedger(
  records: Records,
  keys: PairKeys,
  state: PairState,
  signal: AbortSignal,
): AsyncGenerator<LedgerPage> {
  for (let id = state.partitioning?.first ?? null; id !== null; ) {
    const key = keys.part(id)
    const found = await readRecord(records, key, signal)
    if (found === undefined) return
    const partition = decodePair(key, found.value)
    const { part } = partition
    for await (const { entries } of wholeLedger(records, keys, { ...partition, partitioning: null }, signal)) {
      const own = entries.filter(({ key }) => part?.hi == null || compareKeys(key, part.hi) <= 0)
      if (own.length > 0) yield { entries: own }
      if (own.length < entries.length) break
    }
    id = part?.next ?? null
  }
  yield* readLedger(records, state.done, '', signal)
  yield* ledgerAbove(records, state, await readAhead(records, state, signal), signal)
}

/** The entries that were written along beyond the cursor. */
export async function readAhead(records: Records, state: PairState, signal: AbortSignal): Promise<LedgerEntry[]> {
  return state.ahead === null ? [] : ((await readChunk(records, state.ahead, signal)) ?? [])
}

/** The entries of one chunk, unless it is gone. */
export async function readChunk(
  records: Records,
  ref: ChunkRef,
  signal: AbortSignal,
): Promise<LedgerEntry[] | undefined> {
  const found = await readRecord(records, ref.record, signal)
  return found === undefined ? undefined : decodeEntries(ref.record, found.value)
}

/**
 * Joins the ledger of the current pass with what is left of the one before, so that a pass can begin anew: at the seam, a chunk that
 * reaches over the cursor is cut.
 * @returns the state to commit, and the records that it does not need any more
 */
export async function joined(
  records: Records,
  state: PairState,
  name: () => string,
  signal: AbortSignal,
): Promise<{ state: PairState; dropped: string[] }> {
  const dropped: string[] = []
  const cut: ChunkRef[] = []
  let rest = above(state.rest, state.cursor)
  while (state.cursor !== '') {
    const [first, ...others] = rest
    if (first === undefined || compareKeys(first.first, state.cursor) > 0) break
    dropped.push(first.record)
    rest = others
    const found = await readRecord(records, first.record, signal)
    if (found === undefined) continue
    if (first.level > 0) {
      rest = [...above(decodeRefs(first.record, found.value, first.level), state.cursor), ...others]
      continue
    }
    const entries = decodeEntries(first.record, found.value).filter((entry) => compareKeys(entry.key, state.cursor) > 0)
    const [low, high] = [entries[0], entries.at(-1)]
    if (low === undefined || high === undefined) break
    const record = name()
    await writeRecord(records, record, encodeEntries(entries), null, signal)
    cut.push({ first: low.key, last: high.key, count: entries.length, record, level: 0 })
    break
  }
  return { state: { ...state, cursor: '', done: [], rest: [...state.done, ...cut, ...rest] }, dropped }
}

/** Deletes ledger records that nothing refers to: what a run left that ended in the middle. */
export async function sweepLedger(
  records: Records,
  keys: PairKeys,
  state: PairState,
  signal: AbortSignal,
): Promise<void> {
  const used = new Set<string>()
  if (state.ahead !== null) used.add(state.ahead.record)
  for await (const record of referencedRecords(records, state.done, '', signal)) used.add(record)
  for await (const record of referencedRecords(records, state.rest, state.cursor, signal)) used.add(record)
  for await (const record of listRecords(records, keys.ledger, signal)) {
    if (!used.has(record)) await deleteRecord(records, record, signal)
  }
}
