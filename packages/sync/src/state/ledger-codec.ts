import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { checkRecordFormat, RECORD_FORMAT, StowageError } from '@stowage/core'
import { ByteReader, ByteWriter } from './bytes.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { type ChunkRef, packRef, unpackRef } from './pair-record.ts'

/**
 * A ledger chunk: one byte of format, one of level, then deflated data. Level 0: entries in key order. A key is written as the number
 * of bytes it shares with the key before, and the rest; an etag of lower-case hexadecimal digits as half as many bytes.
 */
const flags = { digest: 1, targetSize: 2, sameEtag: 4 }

/** Undeflated, a chunk is never larger than this, in bytes: a guard against a damaged record. */
const maxInflated = 64 * 1024 * 1024

export function encodeEntries(entries: readonly LedgerEntry[]): Uint8Array {
  const out = new ByteWriter()
  let before = Buffer.alloc(0)
  for (const entry of entries) {
    const key = Buffer.from(entry.key)
    const shared = sharedLength(before, key)
    const sameEtag = entry.source.etag === entry.target.etag
    const otherSize = entry.source.size !== entry.target.size
    out.number((entry.digest ? flags.digest : 0) | (otherSize ? flags.targetSize : 0) | (sameEtag ? flags.sameEtag : 0))
    out.number(shared)
    out.number(key.length - shared)
    out.bytes(key.subarray(shared))
    out.number(entry.source.size)
    writeEtag(out, entry.source.etag)
    if (!sameEtag) writeEtag(out, entry.target.etag)
    if (otherSize) out.number(entry.target.size)
    if (entry.digest) out.bytes(Buffer.from(entry.digest, 'hex'))
    before = key
  }
  return pack(0, out.finish())
}

export function decodeEntries(record: string, bytes: Uint8Array): LedgerEntry[] {
  const input = new ByteReader(unpack(record, bytes, 0))
  const entries: LedgerEntry[] = []
  let before: Buffer = Buffer.alloc(0)
  while (!input.done) {
    const bits = input.number()
    const shared = input.number()
    const key = Buffer.concat([before.subarray(0, shared), input.bytes(input.number())])
    const size = input.number()
    const etag = readEtag(input)
    const targetEtag = bits & flags.sameEtag ? etag : readEtag(input)
    const targetSize = bits & flags.targetSize ? input.number() : size
    const digest = bits & flags.digest ? input.bytes(32).toString('hex') : undefined
    entries.push({
      key: key.toString(),
      source: { etag, size },
      target: { etag: targetEtag, size: targetSize },
      ...(digest === undefined ? {} : { digest }),
    })
    before = key
  }
  return entries
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

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  let i = 0
  while (i < length && a[i] === b[i]) i++
  return i
}

/** The number before an etag is twice its length in bytes, plus one when they are hexadecimal digits packed in pairs. */
function writeEtag(out: ByteWriter, etag: string): void {
  const hex = etag.length > 0 && etag.length % 2 === 0 && /^[0-9a-f]+$/.test(etag)
  const bytes = Buffer.from(etag, hex ? 'hex' : 'utf8')
  out.number(bytes.length * 2 + (hex ? 1 : 0))
  out.bytes(bytes)
}

function readEtag(input: ByteReader): string {
  const head = input.number()
  return input.bytes(Math.floor(head / 2)).toString(head % 2 === 1 ? 'hex' : 'utf8')
}
