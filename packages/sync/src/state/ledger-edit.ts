import { compareKeys } from '@stowage/core'
import { type Records, readRecord, writeRecord } from './cas.ts'
import { decodeEntries, decodeRefs, encodeEntries, encodeRefs, entryCost } from './ledger-codec.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { CHUNK_ENTRIES, chunkBytes, foldRefs, refsBytes } from './ledger-writer.ts'
import type { ChunkRef, PairState } from './pair-record.ts'

/** What becomes of keys: their new entry, or none. */
export type LedgerEdits = ReadonlyMap<string, LedgerEntry | undefined>

/** Bytes of references in one record, at most; well below the largest record. */
const refBytes = 256 * 1024

/** Reads what the ledger says of some keys: only the chunks in which they would lie. */
export async function findEntries(
  records: Records,
  state: PairState,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, LedgerEntry>> {
  const found = new Map<string, LedgerEntry>()
  const look = async (refs: readonly ChunkRef[], wanted: readonly string[]): Promise<void> => {
    for (const ref of refs) {
      const here = wanted.filter((key) => compareKeys(ref.first, key) <= 0 && compareKeys(key, ref.last) <= 0)
      if (here.length === 0) continue
      const record = await readRecord(records, ref.record, signal)
      if (record === undefined) continue
      if (ref.level > 0) await look(decodeRefs(ref.record, record.value, ref.level), here)
      else {
        const names = new Set(here)
        for (const entry of decodeEntries(ref.record, record.value))
          if (names.has(entry.key)) found.set(entry.key, entry)
      }
    }
  }
  const { cursor } = state
  await look(
    state.done,
    keys.filter((key) => isPassed(key, cursor)),
  )
  const above = keys.filter((key) => !isPassed(key, cursor))
  await look(state.rest, above)
  if (state.ahead !== null) await look([state.ahead], above)
  return found
}

/**
 * Changes what the ledger says of some keys, wherever an unfinished pass stands: only the chunks in which they lie are written anew, beside
 * those that are there.
 * @param name gives every record a name that was never used before
 * @returns the parts of the state to commit, and the records that are not needed any more after that
 */
export async function editLedger(
  records: Records,
  state: PairState,
  edits: LedgerEdits,
  name: () => string,
  signal: AbortSignal,
): Promise<{ change: Pick<PairState, 'done' | 'rest' | 'ahead'>; dropped: string[] }> {
  const dropped: string[] = []
  const write = async (value: Uint8Array): Promise<string> => {
    const record = name()
    await writeRecord(records, record, value, null, signal)
    return record
  }
  const editor = new Editor(records, write, dropped, signal)
  const sorted = [...edits].sort(([a], [b]) => compareKeys(a, b))
  const passed = sorted.filter(([key]) => isPassed(key, state.cursor))
  const above = sorted.filter(([key]) => !isPassed(key, state.cursor))
  const done = await foldRefs(await editor.refs(state.done, passed), write)
  const rest = await foldRefs(await editor.refs(state.rest, above), write)
  return { change: { done, rest, ahead: await editor.ahead(state.ahead, new Map(above)) }, dropped }
}

type Edit = [key: string, entry: LedgerEntry | undefined]

class Editor {
  readonly #records: Records
  readonly #write: (value: Uint8Array) => Promise<string>
  readonly #dropped: string[]
  readonly #signal: AbortSignal

  constructor(records: Records, write: (value: Uint8Array) => Promise<string>, dropped: string[], signal: AbortSignal) {
    this.#records = records
    this.#write = write
    this.#dropped = dropped
    this.#signal = signal
  }

  /** References with the edits in what they refer to. An edit between two of them goes into the first. */
  async refs(refs: readonly ChunkRef[], edits: readonly Edit[]): Promise<ChunkRef[]> {
    if (edits.length === 0) return [...refs]
    if (refs.length === 0) return await this.#entries(edits.flatMap(([, entry]) => entry ?? []))
    const changed: ChunkRef[] = []
    let at = 0
    for (const [i, ref] of refs.entries()) {
      const next = refs[i + 1]
      const from = at
      while (at < edits.length && (next === undefined || compareKeys((edits[at] as Edit)[0], next.first) < 0)) at++
      changed.push(...(at === from ? [ref] : await this.#ref(ref, edits.slice(from, at))))
    }
    return changed
  }

  /** What was written along beyond the cursor wins over the rest, so it changes too. */
  async ahead(ref: ChunkRef | null, edits: LedgerEdits): Promise<ChunkRef | null> {
    if (ref === null) return null
    const entries = await this.#read(ref)
    if (!entries.some(({ key }) => edits.has(key))) return ref
    this.#dropped.push(ref.record)
    const left = entries.flatMap((entry) => (edits.has(entry.key) ? (edits.get(entry.key) ?? []) : entry))
    const [first, last] = [left[0], left.at(-1)]
    if (first === undefined || last === undefined) return null
    const record = await this.#write(encodeEntries(left))
    return { first: first.key, last: last.key, count: left.length, record, level: 0 }
  }

  async #ref(ref: ChunkRef, edits: readonly Edit[]): Promise<ChunkRef[]> {
    const isAbsence = edits.every(
      ([key, entry]) => entry === undefined && (compareKeys(key, ref.first) < 0 || compareKeys(key, ref.last) > 0),
    )
    if (isAbsence) return [ref]
    if (ref.level === 0) {
      const merged = new Map((await this.#read(ref)).map((entry) => [entry.key, entry]))
      for (const [key, entry] of edits) {
        if (entry === undefined) merged.delete(key)
        else merged.set(key, entry)
      }
      this.#dropped.push(ref.record)
      return await this.#entries([...merged.values()].sort((a, b) => compareKeys(a.key, b.key)))
    }
    const found = await readRecord(this.#records, ref.record, this.#signal)
    const below = found === undefined ? [] : decodeRefs(ref.record, found.value, ref.level)
    const changed = await this.refs(below, edits)
    this.#dropped.push(ref.record)
    return await this.#level(ref.level, changed)
  }

  async #read(ref: ChunkRef): Promise<LedgerEntry[]> {
    const found = await readRecord(this.#records, ref.record, this.#signal)
    return found === undefined ? [] : decodeEntries(ref.record, found.value)
  }

  /** Writes entries as chunks of a bounded size: of one that is too large, two halves, which both have room to grow. */
  async #entries(entries: LedgerEntry[]): Promise<ChunkRef[]> {
    const [first, last] = [entries[0], entries.at(-1)]
    if (first === undefined || last === undefined) return []
    const cost = entries.reduce((sum, entry) => sum + entryCost(entry), 0)
    if (entries.length > 1 && (entries.length > CHUNK_ENTRIES || cost > chunkBytes)) {
      const middle = Math.ceil(entries.length / 2)
      return [...(await this.#entries(entries.slice(0, middle))), ...(await this.#entries(entries.slice(middle)))]
    }
    const record = await this.#write(encodeEntries(entries))
    return [{ first: first.key, last: last.key, count: entries.length, record, level: 0 }]
  }

  async #level(level: number, refs: ChunkRef[]): Promise<ChunkRef[]> {
    const [first, last] = [refs[0], refs.at(-1)]
    if (first === undefined || last === undefined) return []
    if (refs.length > 1 && refsBytes(refs) > refBytes) {
      const middle = Math.ceil(refs.length / 2)
      return [...(await this.#level(level, refs.slice(0, middle))), ...(await this.#level(level, refs.slice(middle)))]
    }
    const record = await this.#write(encodeRefs(level, refs))
    const count = refs.reduce((sum, ref) => sum + ref.count, 0)
    return [{ first: first.first, last: last.last, count, record, level }]
  }
}

function isPassed(key: string, cursor: string): boolean {
  return cursor !== '' && compareKeys(key, cursor) <= 0
}
