import { compareKeys } from '@stowage/core'
import { type Records, writeRecord } from './cas.ts'
import { EntryWriter } from './entry-codec.ts'
import { encodeChunk, encodeRefs, entryCost, type LedgerChunk } from './ledger-codec.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import type { EntryOrigin } from './ledger-reader.ts'
import type { ChunkRef } from './pair-record.ts'

/** Entries of a chunk, at most. */
export const CHUNK_ENTRIES = 4096

/** Bytes of a chunk before deflating, at most: well below the largest record. */
export const chunkBytes: number = 448 * 1024

/** A chunk of an earlier pass with fewer entries than this is not taken over as it is, but written together with others. */
const worthKeeping = 512

/**
 * Bytes that the references may take in the pair record before they move into records of their own. It holds those of two passes at a time,
 * and where one takes over from the other in the middle, those of every level at that place: 512 KiB are enough for three levels.
 */
const inlineBytes = 96 * 1024

/**
 * Writes the ledger of the current pass: entries in key order become chunks of a bounded size. A chunk of an earlier pass whose entries
 * all come by again unchanged is taken over as it is, so that a sync that finds nothing to do writes next to nothing. No entry is kept as an object:
 * what is open is bytes, and what may yet be taken over is read again where it lies.
 */
export class LedgerWriter {
  readonly #records: Records
  readonly #name: () => string
  readonly #signal: AbortSignal
  #refs: ChunkRef[]
  /** The chunk that grows, its first and last key, and its record so far. */
  readonly #open = new EntryWriter()
  #openFirst = ''
  #openLast = ''
  #openCost = 0
  #openRef: ChunkRef | null = null
  #openWritten = 0
  /** A chunk of which so many entries came by unchanged, from its beginning; the first of them may be written already. */
  #kept: { chunk: LedgerChunk; count: number; written: number } | null = null
  #dropped: string[] = []
  #consumed = new Map<string, ChunkRef>()
  #settled = ''
  /** The last settled key that is not behind entries of {@link #kept}. */
  #safe = ''

  /** @param name gives every record a name that was never used before */
  constructor(records: Records, refs: readonly ChunkRef[], cursor: string, name: () => string, signal: AbortSignal) {
    this.#records = records
    this.#settled = cursor
    this.#safe = cursor
    this.#refs = [...refs]
    this.#name = name
    this.#signal = signal
  }

  /** Goes on with the last chunk if it is small, so that many short runs do not leave many small chunks. */
  async reopen(read: (ref: ChunkRef) => Promise<LedgerEntry[] | undefined>): Promise<void> {
    const last = this.#refs.at(-1)
    if (last === undefined || last.level > 0 || last.count >= CHUNK_ENTRIES / 2) return
    const entries = await read(last)
    if (entries === undefined) return
    this.#refs.pop()
    for (const entry of entries) this.#add(entry, entryCost(entry))
    this.#openRef = last
    this.#openWritten = entries.length
  }

  /** Adds an entry above all before. When it throws, nothing is lost, and the same entry is to be added again. */
  async append(entry: LedgerEntry, origin?: EntryOrigin): Promise<void> {
    const kept = this.#kept
    const { chunk, index } = origin ?? {}
    if (chunk === undefined || chunk.ref.count < worthKeeping) {
      await this.#spill()
      await this.#push(entry)
    } else if (kept?.chunk.ref.record === chunk.ref.record && kept.written === 0 && index === kept.count) {
      if (kept.count + 1 === chunk.ref.count) await this.#adopt(chunk.ref)
      else kept.count++
    } else {
      await this.#spill()
      if (index === 0) this.#kept = { chunk, count: 1, written: 0 }
      else await this.#push(entry)
    }
  }

  /** The last settled key whose entry, and those of all before, the next {@link flush} commits for certain. */
  get safe(): string {
    return this.#safe
  }

  /** Adds a whole chunk, or references to chunks, as they are; all of it above everything before. */
  async take(ref: ChunkRef): Promise<void> {
    await this.#spill()
    await this.#close()
    this.#refs.push(ref)
  }

  /** Everything up to this key is settled: what has an entry was appended. */
  settle(key: string): void {
    this.#settled = key
    if (this.#kept === null) this.#safe = key
  }

  /** Tells of a chunk of an earlier pass that is being read: once its keys are settled it is dropped, unless it is taken over. */
  consumed(ref: ChunkRef): void {
    this.#consumed.set(ref.record, ref)
  }

  /**
   * Writes what is not written yet, and gives what to commit. Unless `all`, unchanged entries of a chunk that may yet be taken over as a
   * whole are left for later, and the cursor stays before them.
   */
  async flush(all: boolean): Promise<{ refs: ChunkRef[]; cursor: string }> {
    if (all) await this.#spill()
    if (this.#open.count > this.#openWritten) await this.#writeOpen()
    this.#refs = await foldRefs(this.#refs, (value) => this.#write(value))
    return { refs: this.#openRef === null ? [...this.#refs] : [...this.#refs, this.#openRef], cursor: this.#safe }
  }

  /** Records that are not needed any more once the result of {@link flush} is committed. */
  takeDropped(cursor: string): string[] {
    for (const ref of this.#consumed.values()) {
      if (compareKeys(ref.last, cursor) > 0) continue
      this.#consumed.delete(ref.record)
      this.#dropped.push(ref.record)
    }
    const dropped = this.#dropped
    this.#dropped = []
    return dropped
  }

  async #push(entry: LedgerEntry): Promise<void> {
    const cost = entryCost(entry)
    if (this.#open.count >= CHUNK_ENTRIES || this.#openCost + cost > chunkBytes) await this.#close()
    this.#add(entry, cost)
  }

  #add(entry: LedgerEntry, cost: number): void {
    if (this.#open.count === 0) this.#openFirst = entry.key
    this.#openLast = entry.key
    this.#open.append(entry)
    this.#openCost += cost
  }

  async #spill(): Promise<void> {
    const kept = this.#kept
    if (kept !== null) {
      const entries = kept.chunk.read()
      for (let at = 0; at < kept.count; at++) {
        const entry = entries.next() as LedgerEntry
        if (at < kept.written) continue
        await this.#push(entry)
        kept.written++
      }
    }
    this.#kept = null
    this.#safe = this.#settled
  }

  async #adopt(ref: ChunkRef): Promise<void> {
    await this.#close()
    this.#kept = null
    this.#refs.push(ref)
    this.#consumed.delete(ref.record)
  }

  async #close(): Promise<void> {
    if (this.#open.count > this.#openWritten) await this.#writeOpen()
    if (this.#openRef !== null) this.#refs.push(this.#openRef)
    this.#open.clear()
    this.#openCost = 0
    this.#openRef = null
    this.#openWritten = 0
  }

  async #writeOpen(): Promise<void> {
    const { count } = this.#open
    const record = await this.#write(encodeChunk(this.#open))
    if (this.#openRef !== null) this.#dropped.push(this.#openRef.record)
    this.#openRef = { first: this.#openFirst, last: this.#openLast, count, record, level: 0 }
    this.#openWritten = count
  }

  async #write(value: Uint8Array): Promise<string> {
    const record = this.#name()
    await writeRecord(this.#records, record, value, null, this.#signal)
    return record
  }
}

/** Moves runs of references of one level into a record of the next level, lowest first, until the rest is small enough for the pair record. */
export async function foldRefs(
  given: readonly ChunkRef[],
  write: (value: Uint8Array) => Promise<string>,
): Promise<ChunkRef[]> {
  const refs = [...given]
  while (refsBytes(refs) > inlineBytes) {
    const run = lowestRun(refs)
    const first = run[0]
    const last = run.at(-1)
    if (first === undefined || last === undefined) break
    const level = Math.max(...run.map((ref) => ref.level)) + 1
    const record = await write(encodeRefs(level, run))
    const count = run.reduce((sum, ref) => sum + ref.count, 0)
    refs.splice(refs.indexOf(first), run.length, { first: first.first, last: last.last, count, record, level })
  }
  return refs
}

/** Bytes that references take, about; never less than they do. */
export function refsBytes(refs: readonly ChunkRef[]): number {
  return refs.reduce((sum, ref) => sum + writtenBytes(ref.first) + writtenBytes(ref.last) + ref.record.length + 32, 0)
}

/** Never less than a key takes as JSON: control characters take six bytes each. */
function writtenBytes(key: string): number {
  return Math.max(3 * key.length, Buffer.byteLength(JSON.stringify(key)))
}

/** The first references in a row of the lowest level that has two in a row; as many as one record may hold. */
function lowestRun(refs: readonly ChunkRef[]): ChunkRef[] {
  const levels = [...new Set(refs.map((ref) => ref.level))].sort((a, b) => a - b)
  for (const level of levels) {
    const from = refs.findIndex((ref, i) => ref.level === level && refs[i + 1]?.level === level)
    if (from < 0) continue
    let to = from
    let bytes = 0
    while (refs[to]?.level === level && bytes < inlineBytes) bytes += refsBytes(refs.slice(to, ++to))
    return refs.slice(from, to)
  }
  // None has a neighbour of its level, as may be where the ledgers of partitions meet: then those next to one another, whatever they are.
  let bytes = 0
  const end = refs.findIndex((ref) => {
    bytes += refsBytes([ref])
    return bytes >= inlineBytes
  })
  return refs.slice(0, Math.max(2, end))
}
