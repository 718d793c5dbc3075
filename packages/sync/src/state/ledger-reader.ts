import { compareKeys } from '@stowage/core'
import { type Records, readRecord } from './cas.ts'
import { decodeEntries, decodeRefs } from './ledger-codec.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import type { ChunkRef } from './pair-record.ts'

/** Entries of one chunk, or some that lie in no chunk of the ledger proper. */
export interface LedgerPage {
  entries: LedgerEntry[]
  /** The chunk that consists of exactly these entries. */
  ref?: ChunkRef
}

/** Reads chunks in order, only those that have something above `after`, one at a time. A chunk that is missing or was dropped meanwhile is skipped: what it knew is found out again. */
export async function* readLedger(
  records: Records,
  refs: readonly ChunkRef[],
  after: string,
  signal: AbortSignal,
  onRead?: (ref: ChunkRef) => void,
): AsyncGenerator<LedgerPage> {
  for (const ref of refs) {
    if (after !== '' && compareKeys(ref.last, after) <= 0) continue
    onRead?.(ref)
    const found = await readRecord(records, ref.record, signal)
    if (found === undefined) continue
    if (ref.level > 0) {
      yield* readLedger(records, decodeRefs(ref.record, found.value, ref.level), after, signal, onRead)
      continue
    }
    const entries = decodeEntries(ref.record, found.value)
    const first = entries[0]
    if (first === undefined) continue
    if (after === '' || compareKeys(first.key, after) > 0) yield { entries, ref }
    else yield { entries: entries.filter((entry) => compareKeys(entry.key, after) > 0) }
  }
}

/** Lays entries over a ledger: at an equal key they win. */
export async function* overlay(
  ledger: AsyncIterable<LedgerPage>,
  ahead: readonly LedgerEntry[],
): AsyncGenerator<LedgerPage> {
  let at = 0
  for await (const page of ledger) {
    const last = page.entries.at(-1)
    const from = at
    while (last !== undefined && at < ahead.length && compareKeys((ahead[at] as LedgerEntry).key, last.key) <= 0) at++
    if (at === from) yield page
    else yield { entries: mergeEntries(page.entries, ahead.slice(from, at)) }
  }
  if (at < ahead.length) yield { entries: ahead.slice(at) }
}

/** Merges two sorted lists; at an equal key the second wins. */
export function mergeEntries(base: readonly LedgerEntry[], over: readonly LedgerEntry[]): LedgerEntry[] {
  const merged = new Map(base.map((entry) => [entry.key, entry]))
  for (const entry of over) merged.set(entry.key, entry)
  return [...merged.values()].sort((a, b) => compareKeys(a.key, b.key))
}

/** All records that these references need for keys above `after`, those of lower levels included. */
export async function* referencedRecords(
  records: Records,
  refs: readonly ChunkRef[],
  after: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const ref of refs) {
    if (after !== '' && compareKeys(ref.last, after) <= 0) continue
    yield ref.record
    if (ref.level === 0) continue
    const found = await readRecord(records, ref.record, signal)
    if (found !== undefined)
      yield* referencedRecords(records, decodeRefs(ref.record, found.value, ref.level), after, signal)
  }
}
