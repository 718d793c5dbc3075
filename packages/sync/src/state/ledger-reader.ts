import { compareKeys } from '@stowage/core'
import { type Records, readRecord } from './cas.ts'
import { decodeRefs, LedgerChunk } from './ledger-codec.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { above, type ChunkRef } from './pair-record.ts'

/** Entries of a page, at most. */
const pageEntries = 512

/** Some entries one behind the other. */
export interface LedgerPage {
  entries: LedgerEntry[]
  /** Where they lie, when they are unchanged ones of a chunk that is read as a whole: the chunk, and the place of the first of them. */
  origin?: EntryOrigin
}

/** Where an unchanged entry comes from: its chunk and its place there. */
export interface EntryOrigin {
  chunk: LedgerChunk
  index: number
}

/**
 * Reads chunks in order, only those that have something above `after`: one at a time, and the bytes of the next one meanwhile. A chunk that is
 * missing or was dropped meanwhile is skipped: what it knew is found out again.
 */
export async function* readLedger(
  records: Records,
  refs: readonly ChunkRef[],
  after: string,
  signal: AbortSignal,
  onRead?: (ref: ChunkRef) => void,
): AsyncGenerator<LedgerPage> {
  const wanted = above(refs, after)
  const begin = (ref: ChunkRef | undefined): ReturnType<typeof readRecord> | undefined => {
    const reading = ref && readRecord(records, ref.record, signal)
    // Whoever awaits it later gets the error; until then it is not unhandled.
    reading?.catch(() => undefined)
    return reading
  }
  let next = begin(wanted[0])
  for (const [i, ref] of wanted.entries()) {
    onRead?.(ref)
    const found = await next
    next = begin(wanted[i + 1])
    if (found === undefined) continue
    if (ref.level > 0) yield* readLedger(records, decodeRefs(ref.record, found.value, ref.level), after, signal, onRead)
    else yield* pagesOf(new LedgerChunk(ref, found.value), after)
  }
}

function* pagesOf(chunk: LedgerChunk, after: string): Generator<LedgerPage> {
  const reader = chunk.read()
  let isWhole: boolean | undefined
  for (let index = 0; ; index += pageEntries) {
    const entries = reader.take(pageEntries)
    const [first] = entries
    if (first === undefined) return
    isWhole ??= after === '' || compareKeys(first.key, after) > 0
    if (isWhole) yield { entries, origin: { chunk, index } }
    else yield { entries: entries.filter(({ key }) => compareKeys(key, after) > 0) }
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
