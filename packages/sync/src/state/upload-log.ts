import { decodeRecord, encodeRecord, hasCode, type UploadedPart } from '@stowage/core'
import { deleteRecord, listRecords, type Records, readRecord, writeRecord } from './cas.ts'
import type { PairKeys } from './record-keys.ts'

/** A part that arrived, and what went through us. */
export interface SentPart extends UploadedPart {
  /** SHA-256 of its 8 MiB blocks, when it begins at a block's start and the bytes passed here. */
  blocks?: Uint8Array
  /** CRC-32 of its bytes. */
  crc32?: number
  /** MD5 of its bytes, in hexadecimal digits, where the source's etag is made of such. */
  md5?: string
  /** The checksum that the source tells of the whole, of this part, in base64. */
  sum?: string
}

/** The source's object that an upload is made from. Another one needs another upload. */
export interface SourcePin {
  etag: string
  size: number
  versionId?: string
}

/** How an upload ended. */
export interface UploadOutcome {
  etag: string
  digest?: string
}

/** One multipart transfer as it is written down. */
export interface UploadRecord {
  /** Relative to both prefixes. */
  key: string
  /** The key in the target. */
  targetKey: string
  source: SourcePin
  partSize: number
  /** Whose upload: a record begun anew must not take over the parts of the one before. */
  nonce: string
  /** `null` from before `create` until its answer is written down. */
  uploadId: string | null
  /** Set once the object is there. The record stays until the ledger has it. */
  outcome: UploadOutcome | null
}

/** What the notes of a pair share. */
export interface UploadContext {
  records: Records
  keys: PairKeys
  signal: AbortSignal
  /** Throws `lease-lost` unless the lease is ours. */
  confirm: () => Promise<unknown>
}

interface PartsPage {
  uploadId: string
  parts: [number, string, number, number | null, string | null, string | null, (string | null)?][]
}

/** Bytes of one page of parts, about. A part is written by writing its page. */
const pageBytes = 96 * 1024

/** The notes about one upload, which outlive this process. Only the holder of the pair's lease writes them. */
export class UploadNote {
  record: UploadRecord
  /** Whether an earlier run wrote it, and this one has not taken it up yet. */
  earlier = false
  readonly parts: Map<number, SentPart> = new Map()
  readonly #context: UploadContext
  #revision: string | null
  #pages = new Map<number, { revision: string | null; dirty: boolean; writing: Promise<void> | undefined }>()

  constructor(context: UploadContext, record: UploadRecord, revision: string | null) {
    this.#context = context
    this.record = record
    this.#revision = revision
  }

  /** Writes the record itself. */
  async save(change: Partial<UploadRecord>): Promise<void> {
    const record = { ...this.record, ...change }
    this.#revision = await this.#write(this.#context.keys.upload(record.key), encodeRecord(record), this.#revision)
    this.record = record
  }

  /** Notes a part; returns when that is durable. */
  async addPart(part: SentPart): Promise<void> {
    this.keepPart(part)
    await this.#settle(this.#pageOf(part.partNumber))
  }

  /** Notes a part of which the store tells all that there is to know: it is durable after {@link flush}, and until then with the store. */
  keepPart(part: SentPart): void {
    this.parts.set(part.partNumber, part)
    const number = this.#pageOf(part.partNumber)
    const page = this.#pages.get(number) ?? { revision: null, dirty: false, writing: undefined }
    this.#pages.set(number, page)
    page.dirty = true
  }

  /** Makes all parts durable. */
  async flush(): Promise<void> {
    for (const number of this.#pages.keys()) await this.#settle(number)
  }

  async #settle(number: number): Promise<void> {
    const page = this.#pages.get(number)
    // A write under way does not hold what came meanwhile: wait for it, and let one of those who wait write for all.
    while (page?.dirty === true) {
      page.writing ??= this.#writePage(number, page).finally(() => {
        page.writing = undefined
      })
      await page.writing
    }
  }

  /** Reads the pages of parts. */
  async loadParts(): Promise<void> {
    if (this.record.uploadId === null) return
    const pages = Math.ceil(this.partCount / this.#partsPerPage)
    for (let number = 0; number < pages; number++) {
      const key = this.#context.keys.uploadParts(this.record.key, number)
      const found = await readRecord(this.#context.records, key, this.#context.signal)
      if (found === undefined) continue
      this.#pages.set(number, { revision: found.revision, dirty: false, writing: undefined })
      const page = decodeRecord<PartsPage>(key, found.value)
      if (page.uploadId !== this.record.uploadId) continue
      for (const [partNumber, etag, size, crc32, blocks, md5, sum] of page.parts) {
        this.parts.set(partNumber, {
          partNumber,
          etag,
          size,
          ...(crc32 === null ? {} : { crc32 }),
          ...(blocks === null ? {} : { blocks: Buffer.from(blocks, 'base64') }),
          ...(md5 === null ? {} : { md5 }),
          ...(typeof sum === 'string' ? { sum } : {}),
        })
      }
    }
  }

  /** How many parts the object has. */
  get partCount(): number {
    return Math.max(1, Math.ceil(this.record.source.size / this.record.partSize))
  }

  /** Forgets the upload: its pages first, so that nothing is left that no record tells of. */
  async remove(): Promise<void> {
    const pages = Math.ceil(this.partCount / this.#partsPerPage)
    for (let number = 0; number < pages; number++) {
      await deleteRecord(
        this.#context.records,
        this.#context.keys.uploadParts(this.record.key, number),
        this.#context.signal,
      )
    }
    await deleteRecord(this.#context.records, this.#context.keys.upload(this.record.key), this.#context.signal)
  }

  get #partsPerPage(): number {
    const blocks = Math.ceil(this.record.partSize / (8 * 1024 * 1024))
    return Math.max(1, Math.floor(pageBytes / (160 + 44 * blocks)))
  }

  #pageOf(partNumber: number): number {
    return Math.floor((partNumber - 1) / this.#partsPerPage)
  }

  async #writePage(number: number, page: { revision: string | null; dirty: boolean }): Promise<void> {
    page.dirty = false
    const parts = [...this.parts.values()].filter((part) => this.#pageOf(part.partNumber) === number)
    const value: PartsPage = {
      uploadId: this.record.uploadId ?? '',
      parts: parts.map((part) => [
        part.partNumber,
        part.etag,
        part.size,
        part.crc32 ?? null,
        part.blocks === undefined ? null : Buffer.from(part.blocks).toString('base64'),
        part.md5 ?? null,
        part.sum ?? null,
      ]),
    }
    const key = this.#context.keys.uploadParts(this.record.key, number)
    page.revision = await this.#write(key, encodeRecord(value), page.revision)
  }

  /**
   * Writes a record of this note. One that changed under our hands was written by an owner before us that does not know yet that it lost the
   * lease: when ours is confirmed, what we know counts.
   */
  async #write(key: string, value: Uint8Array, revision: string | null): Promise<string> {
    const { records, signal, confirm } = this.#context
    try {
      return await writeRecord(records, key, value, revision, signal)
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
      await confirm()
      const found = await readRecord(records, key, signal)
      return await writeRecord(records, key, value, found?.revision ?? null, signal)
    }
  }
}

/** All notes about uploads of one pair. */
export class UploadLog {
  readonly #context: UploadContext
  /** Records that exist, so that an object without one costs no read. */
  #known = new Set<string>()
  /** Those of earlier runs that nobody asked for yet. */
  #earlier = new Set<string>()

  constructor(context: UploadContext) {
    this.#context = context
  }

  /** Finds out which records there are. */
  async open(): Promise<void> {
    for await (const key of listRecords(this.#context.records, this.#context.keys.uploads, this.#context.signal)) {
      const page = key.indexOf('.', this.#context.keys.uploads.length)
      if (page >= 0) continue
      this.#known.add(key)
      this.#earlier.add(key)
    }
  }

  /** Whether there may be a note about a key's upload. */
  has(key: string): boolean {
    return this.#known.has(this.#context.keys.upload(key))
  }

  /** The note about a key's upload, with its parts. */
  async find(key: string): Promise<UploadNote | undefined> {
    const name = this.#context.keys.upload(key)
    if (!this.#known.has(name)) return undefined
    const note = await this.#read(name)
    if (note !== undefined) note.earlier = this.#earlier.delete(name)
    return note
  }

  /** Writes down that an upload is about to be made, before it is. */
  async begin(record: UploadRecord): Promise<UploadNote> {
    const name = this.#context.keys.upload(record.key)
    const note = new UploadNote(this.#context, record, null)
    await note.save({})
    this.#known.add(name)
    return note
  }

  async remove(note: UploadNote): Promise<void> {
    await note.remove()
    this.#known.delete(this.#context.keys.upload(note.record.key))
  }

  /** Every note there is. */
  async *all(): AsyncGenerator<UploadNote> {
    for (const name of [...this.#known]) {
      const note = await this.#read(name)
      if (note !== undefined) yield note
    }
  }

  async #read(name: string): Promise<UploadNote | undefined> {
    const found = await readRecord(this.#context.records, name, this.#context.signal)
    if (found === undefined) return undefined
    const { format: _, ...record } = decodeRecord<UploadRecord & { format: number }>(name, found.value)
    const note = new UploadNote(this.#context, record, found.revision)
    await note.loadParts()
    return note
  }
}
