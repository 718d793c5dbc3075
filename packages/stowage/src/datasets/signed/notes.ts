import { createHash } from 'node:crypto'
import { decodeRecord, encodeRecord, type SyncStore } from '@stowage/core'
import { keysBelow } from '../../records/index.ts'

/** How long a request that was begun by a URL may outlive it, and clocks differ, in milliseconds. */
export const GRACE: number = 3_600_000

/** A writer of a stream that was not seen for so long is taken for dead, in milliseconds. */
export const STREAM_SILENCE: number = 24 * 3_600_000

/** The prefix of all notes of all drafts. */
const ROOT = 'draft/'

/** An upload by signed URL: what was declared, where it goes, and how far it is. One for each path of a draft. */
export interface SignedRecord {
  /** The file's path in the dataset. */
  path: string
  /** Relative to the replica path. No other attempt has it, so what lies there can be deleted once this one is refused. */
  key: string
  /** From 1; the next one begins when this one was refused. */
  attempt: number
  size: number
  /** As it was claimed. */
  digest: string
  contentType: string
  metadata: Record<string, string> | null
  /** Pages of block digests that were given with it. */
  blockPages: number
  /** Bytes of a part; `null` for one PUT. */
  partSize: number | null
  /** `null` for one PUT, and from before `create` until its answer is written down. */
  uploadId: string | null
  /** Whoever creates the upload writes a name of his own here first: who was overtaken throws his away. */
  claim: string
  /** Until when a URL is good that was given out, in milliseconds since the epoch. */
  expiresAt: number
  /** `accepted`: the bytes were found right, and nothing can change that. `refused`: nothing can be accepted here any more. */
  state: 'open' | 'accepted' | 'refused'
  /** Of the object whose bytes were found right. */
  etag: string | null
  /** Why it was refused. */
  why: { code: 'integrity' | 'conflict'; message: string } | null
}

/** A refused attempt whose URLs may still be good: its key is looked at again when they are not. */
export type LeftRecord = Pick<SignedRecord, 'path' | 'key' | 'partSize' | 'expiresAt'>

/** A multipart upload of a stream. */
export interface StreamRecord {
  /** Relative to the replica path. */
  key: string
  /** `null` from before `create` until its answer is written down. */
  uploadId: string | null
  /** When its writer was last seen, by the store's clock. */
  aliveAt: number
}

/** A draft that is being collected. */
export interface DiscardedRecord {
  datasetId: string
  sourceId: string
  path: string
  /** By the store's clock. */
  at: number
}

/** A note and the revision it has. */
export interface Found<T> {
  value: T
  revision: string
}

function nameOf(path: string): string {
  return createHash('sha256').update(path).digest('hex')
}

/** What was begun for one draft, written down before it is begun, so that a crash leaves nothing that nobody knows of. */
export class DraftNotes {
  readonly #store: SyncStore
  readonly #base: string

  constructor(store: SyncStore, draftId: string) {
    this.#store = store
    this.#base = `${ROOT}${draftId}/`
  }

  /** The ids of drafts that have notes. */
  static async *drafts(store: SyncStore): AsyncGenerator<string> {
    for (let after: string | undefined; ; ) {
      const [key] = await store.list(ROOT, { limit: 1, ...(after === undefined ? {} : { after }) })
      if (key === undefined) return
      const id = key.slice(ROOT.length, key.indexOf('/', ROOT.length))
      yield id
      // Above all keys of this draft: `0` is what comes after `/`.
      after = `${ROOT}${id}0`
    }
  }

  now(): Promise<number> {
    return this.#store.now()
  }

  signed(path: string): string {
    return `${this.#base}signed/${nameOf(path)}`
  }

  left(path: string, attempt: number): string {
    return `${this.#base}left/${nameOf(path)}.${attempt}`
  }

  stream(id: string): string {
    return `${this.#base}stream/${id}`
  }

  blocks(attempt: Pick<SignedRecord, 'path' | 'attempt'>, page: number): string {
    return `${this.blocksOf(attempt)}${page}`
  }

  /** What the keys of all pages of block digests of an attempt begin with. */
  blocksOf({ path, attempt }: Pick<SignedRecord, 'path' | 'attempt'>): string {
    return `${this.#base}blocks/${nameOf(path)}.${attempt}.`
  }

  get discarded(): string {
    return `${this.#base}discarded`
  }

  /** @throws StowageError `newer-format` for a note of a newer version */
  async read<T>(key: string): Promise<Found<T> | undefined> {
    const found = await this.#store.get(key)
    return found === undefined ? undefined : { value: decodeRecord<T>(key, found.value), revision: found.revision }
  }

  /** Writes a note if its revision is still the expected one (`null`: if there is none). @throws StowageError `conflict` when it is not */
  async write<T extends object>(key: string, value: T, expected: string | null): Promise<Found<T>> {
    return { value, revision: await this.#store.put(key, encodeRecord(value), expected) }
  }

  /** Writes a note whatever there was. */
  async replace(key: string, value: object): Promise<void> {
    const found = await this.#store.get(key)
    await this.write(key, value, found?.revision ?? null)
  }

  readBytes(key: string): Promise<Uint8Array | undefined> {
    return this.#store.get(key).then((found) => found?.value)
  }

  async replaceBytes(key: string, bytes: Uint8Array): Promise<void> {
    const found = await this.#store.get(key)
    await this.#store.put(key, bytes, found?.revision ?? null)
  }

  /** Forgets a note, or only if it has this revision. @throws StowageError `conflict` when it has another one */
  async forget(key: string, revision?: string): Promise<void> {
    await this.#store.delete(key, revision)
  }

  /** The keys of notes of one kind, or of all. */
  async *keys(kind: 'signed/' | 'left/' | 'stream/' | 'blocks/' | '' = ''): AsyncGenerator<string> {
    yield* keysBelow(this.#store, this.#base + kind)
  }

  /** The notes of one kind. */
  async *all<T>(kind: 'signed/' | 'left/' | 'stream/'): AsyncGenerator<Found<T> & { key: string }> {
    for await (const key of this.keys(kind)) {
      const found = await this.read<T>(key)
      if (found !== undefined) yield { ...found, key }
    }
  }
}
