import { ByteReader, ByteWriter, damagedChunk } from './bytes.ts'
import type { LedgerEntry } from './ledger-entry.ts'

/**
 * Entries in key order, as bytes. A key is written as the number of bytes it shares with the key before, and the rest; an etag of
 * lower-case hexadecimal digits as half as many bytes.
 */
const flags = { digest: 1, targetSize: 2, sameEtag: 4 }

/** Bytes of a digest. */
const digestBytes = 32

/** Writes entries one by one, so that none has to be kept. */
export class EntryWriter {
  readonly #out = new ByteWriter()
  /** The key before, and room for the next one. */
  #before = Buffer.alloc(1024)
  #key = Buffer.alloc(1024)
  #beforeLength = 0
  #count = 0

  /** Entries so far. */
  get count(): number {
    return this.#count
  }

  append({ key, source, target, digest }: LedgerEntry): void {
    const out = this.#out
    if (this.#key.length < 3 * key.length) this.#key = Buffer.alloc(3 * key.length)
    const length = this.#key.write(key)
    const shared = sharedLength(this.#before, this.#key, Math.min(this.#beforeLength, length))
    const sameEtag = source.etag === target.etag
    const otherSize = source.size !== target.size
    out.number((digest ? flags.digest : 0) | (otherSize ? flags.targetSize : 0) | (sameEtag ? flags.sameEtag : 0))
    out.number(shared)
    out.number(length - shared)
    out.piece(this.#key, shared, length)
    out.number(source.size)
    writeEtag(out, source.etag)
    if (!sameEtag) writeEtag(out, target.etag)
    if (otherSize) out.number(target.size)
    if (digest) out.text(digest, digestBytes, 'hex')
    const before = this.#before
    this.#before = this.#key
    this.#key = before
    this.#beforeLength = length
    this.#count++
  }

  /** The bytes of all entries. They are only good until another entry is written. */
  finish(): Buffer {
    return this.#out.finish()
  }

  /** Begins anew, in the same memory. */
  clear(): void {
    this.#out.clear()
    this.#beforeLength = 0
    this.#count = 0
  }
}

/** Reads entries one by one: as objects they take ten times the memory that they take as bytes. */
export class EntryReader {
  readonly #input: ByteReader
  #key = Buffer.alloc(1024)
  #keyLength = 0

  constructor(bytes: Uint8Array) {
    this.#input = new ByteReader(bytes)
  }

  /**
   * The next entry; `undefined` when there is none.
   * @throws StowageError `integrity` when the bytes end within one
   */
  next(): LedgerEntry | undefined {
    const input = this.#input
    if (input.done) return undefined
    const bits = input.number()
    const key = this.#nextKey()
    const size = input.number()
    const etag = readEtag(input)
    const targetEtag = bits & flags.sameEtag ? etag : readEtag(input)
    const targetSize = bits & flags.targetSize ? input.number() : size
    const source = { etag, size }
    // Most are alike on both sides, and nobody changes what the ledger said.
    const target = targetEtag === etag && targetSize === size ? source : { etag: targetEtag, size: targetSize }
    if (!(bits & flags.digest)) return { key, source, target }
    return { key, source, target, digest: input.text(digestBytes, 'hex') }
  }

  /** At most so many of the next entries. */
  take(most: number): LedgerEntry[] {
    const entries: LedgerEntry[] = []
    while (entries.length < most) {
      const entry = this.next()
      if (entry === undefined) break
      entries.push(entry)
    }
    return entries
  }

  #nextKey(): string {
    const shared = this.#input.number()
    const rest = this.#input.number()
    if (shared > this.#keyLength || rest > this.#input.left) throw damagedChunk()
    if (shared + rest > this.#key.length) {
      const larger = Buffer.alloc(2 * (shared + rest))
      this.#key.copy(larger, 0, 0, shared)
      this.#key = larger
    }
    this.#input.into(this.#key, shared, rest)
    this.#keyLength = shared + rest
    return this.#key.toString('utf8', 0, this.#keyLength)
  }
}

function sharedLength(a: Uint8Array, b: Uint8Array, length: number): number {
  let i = 0
  while (i < length && a[i] === b[i]) i++
  return i
}

/** The number before an etag is twice its length in bytes, plus one when they are hexadecimal digits packed in pairs. */
function writeEtag(out: ByteWriter, etag: string): void {
  const hex = etag.length > 0 && etag.length % 2 === 0 && /^[0-9a-f]+$/.test(etag)
  const bytes = hex ? etag.length / 2 : Buffer.byteLength(etag)
  out.number(bytes * 2 + (hex ? 1 : 0))
  out.text(etag, bytes, hex ? 'hex' : 'utf8')
}

function readEtag(input: ByteReader): string {
  const head = input.number()
  return input.text(Math.floor(head / 2), head % 2 === 1 ? 'hex' : 'utf8')
}
