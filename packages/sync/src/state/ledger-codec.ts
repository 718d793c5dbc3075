import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { checkRecordFormat, RECORD_FORMAT, StowageError } from '@stowage/core'
import { EntryReader, EntryWriter } from './entry-codec.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { type ChunkRef, packRef, unpackRef } from './pair-record.ts'

/*
 * A ledger chunk: one byte of format, one of level, then deflated data. Level 0: entries in key order. A higher level: references, as JSON.
 */

/** Undeflated, a chunk is never larger than this, in bytes: a guard against a damaged record. */
const maxInflated = 64 * 1024 * 1024

export function encodeEntries(entries: readonly LedgerEntry[]): Uint8Array {
  const out = new EntryWriter()
  for (const entry of entries) out.append(entry)
  return encodeChunk(out)
}

/** A chunk of what was written until now. */
export function encodeChunk(entries: EntryWriter): Uint8Array {
  return pack(0, entries.finish())
}

export function decodeEntries(record: string, bytes: Uint8Array): LedgerEntry[] {
  return new LedgerChunk({ record }, bytes).read().take(Number.POSITIVE_INFINITY)
}

/** A chunk that was read. Its entries stay bytes until they are asked for. */
export class LedgerChunk<Ref extends Pick<ChunkRef, 'record'> = ChunkRef> {
  readonly ref: Ref
  readonly #bytes: Buffer

  /** @throws StowageError `newer-format`, `integrity` */
  constructor(ref: Ref, bytes: Uint8Array) {
    this.ref = ref
    this.#bytes = unpack(ref.record, bytes, 0)
  }

  /** Reads its entries from the first one on. */
  read(): EntryReader {
    return new EntryReader(this.#bytes)
  }
}

/** About how many bytes an entry needs before deflating; never less than it does. */
export function entryCost(entry: LedgerEntry): number {
  return 64 + 3 * entry.key.length + entry.source.etag.length + entry.target.etag.length
}

export function encodeRefs(level: number, refs: readonly ChunkRef[]): Uint8Array {
  return pack(level, Buffer.from(JSON.stringify(refs.map(packRef))))
}

export function decodeRefs(record: string, bytes: Uint8Array, level: number): ChunkRef[] {
  return (JSON.parse(unpack(record, bytes, level).toString()) as Parameters<typeof unpackRef>[0][]).map(unpackRef)
}

function pack(level: number, data: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(RECORD_FORMAT, level), deflateRawSync(data, { level: 1 })])
}

function unpack(record: string, bytes: Uint8Array, level: number): Buffer {
  checkRecordFormat(record, bytes[0])
  if (bytes[1] !== level) throw damaged(record)
  try {
    return inflateRawSync(bytes.subarray(2), { maxOutputLength: maxInflated })
  } catch (error) {
    throw damaged(record, error)
  }
}

function damaged(record: string, cause?: unknown): StowageError {
  return new StowageError('integrity', `The ledger chunk "${record}" is damaged.`, {
    key: record,
    cause,
    retryable: false,
  })
}
