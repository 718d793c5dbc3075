import { randomBytes } from 'node:crypto'
import {
  type Clock,
  checkRecordKey,
  checkRecordValue,
  hasCode,
  MAX_RECORD_VALUE,
  readAll,
  type StorageAdapter,
  type StoredRecord,
  StowageError,
  type SyncStore,
  systemClock,
  toPrefix,
} from '@stowage/core'
import { ObjectClock } from './object-clock.ts'
import { objectKey, objectPrefix, recordKey } from './object-keys.ts'

/** Before the value: one byte of format, and a nonce, so that no two writes have the same bytes and thus the same etag. */
const headerBytes = 13
const format = 1

/** A record that was deleted by its revision, where the store cannot delete on a condition: shorter than any record. */
const tombstoneBytes = headerBytes - 1

/** Options of {@link objectStore}. */
export interface ObjectStoreOptions {
  /** The folder that the records lie in. @defaultValue '.stowage/sync/' */
  prefix?: string
  /** @defaultValue the machine's; times are the store's own, told by the objects it writes */
  clock?: Clock
}

/**
 * A store in a bucket, by conditional writes: for functions and machines that have no database between them. Every record is an object;
 * compare-and-swap is the store's `If-Match` and `If-None-Match`.
 *
 * @throws StowageError `not-supported` when the adapter has no conditional writes (OSS takes `create only` alone)
 *
 * @example
 * ```ts
 * const state = minio({ id: 'state', endpoint: 'https://minio.lan:9000', bucket: 'stowage' })
 * const sync = createSync({ store: objectStore(state) })
 * ```
 */
export function objectStore(adapter: StorageAdapter, options: ObjectStoreOptions = {}): SyncStore {
  const { conditional } = adapter.capabilities
  if (!conditional.putCreateOnly || !conditional.putIfMatch) {
    throw new StowageError('not-supported', `${adapter.id}: records need conditional writes, which it does not have.`, {
      sourceId: adapter.id,
      hint: 'Keep them in S3, MinIO or RustFS, in a folder, or in the catalog.',
    })
  }
  return new ObjectStore(adapter, toPrefix(options.prefix ?? '.stowage/sync/'), options.clock ?? systemClock)
}

class ObjectStore implements SyncStore {
  readonly #adapter: StorageAdapter
  readonly #prefix: string
  readonly #clock: ObjectClock

  constructor(adapter: StorageAdapter, prefix: string, clock: Clock) {
    this.#adapter = adapter
    this.#prefix = prefix
    this.#clock = new ObjectClock(adapter, clock, `${prefix}clock`)
  }

  now(): Promise<number> {
    return this.#clock.now()
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    checkRecordKey(key)
    const found = await this.#read(key)
    return found === undefined || found.value === undefined ? undefined : { value: found.value, revision: found.etag }
  }

  async put(key: string, value: Uint8Array, expected: string | null): Promise<string> {
    checkRecordKey(key)
    checkRecordValue(key, value)
    const bytes = Buffer.concat([Uint8Array.of(format), randomBytes(headerBytes - 1), value])
    if (expected !== null) return await this.#write(key, bytes, { ifMatch: expected })
    try {
      return await this.#write(key, bytes, { ifNoneMatch: '*' })
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
      const found = await this.#read(key)
      if (found === undefined || found.value !== undefined) throw error
      return await this.#write(key, bytes, { ifMatch: found.etag })
    }
  }

  async delete(key: string, expected?: string): Promise<void> {
    checkRecordKey(key)
    try {
      if (expected === undefined) await this.#adapter.delete(this.#place(key))
      else if (this.#adapter.capabilities.conditional.deleteIfMatch) {
        await this.#adapter.delete(this.#place(key), { ifMatch: expected })
      } else {
        await this.#write(key, Buffer.concat([Uint8Array.of(format), randomBytes(tombstoneBytes - 1)]), {
          ifMatch: expected,
        })
      }
    } catch (error) {
      throw failed(key, error)
    }
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<string[]> {
    const { after, limit = Number.POSITIVE_INFINITY } = options
    const keys: string[] = []
    if (limit <= 0) return keys
    const begins = this.#prefix + objectPrefix(prefix)
    const startAfter = after === undefined ? undefined : this.#prefix + objectKey(after)
    try {
      const from = startAfter === undefined ? {} : { startAfter }
      const rows = limit < 1000 ? { pageSize: limit } : {}
      for await (const page of this.#adapter.list({ prefix: begins, ...from, ...rows })) {
        for (const { key, size } of page.objects) {
          const record = recordKey(key.slice(this.#prefix.length))
          if (record === undefined || size === tombstoneBytes) continue
          keys.push(record)
          if (keys.length >= limit) return keys
        }
      }
    } catch (error) {
      throw failed(prefix, error)
    }
    return keys
  }

  /** The adapter stays open: it is its owner's. */
  async close(): Promise<void> {}

  #place(key: string): string {
    return this.#prefix + objectKey(key)
  }

  async #write(key: string, bytes: Uint8Array, condition: { ifMatch: string } | { ifNoneMatch: '*' }): Promise<string> {
    try {
      return (await this.#adapter.put(this.#place(key), bytes, condition)).etag
    } catch (error) {
      throw failed(key, error)
    }
  }

  /** The record; without a value when it is one that was deleted. */
  async #read(key: string): Promise<{ etag: string; value?: Uint8Array } | undefined> {
    let bytes: Uint8Array
    let etag: string
    try {
      const { body, info } = await this.#adapter.get(this.#place(key))
      etag = info.etag
      bytes = await readAll(body, headerBytes + MAX_RECORD_VALUE)
    } catch (error) {
      if (hasCode(error, 'not-found')) return undefined
      throw failed(key, error)
    }
    if (bytes.length >= tombstoneBytes && (bytes[0] ?? 0) > format) {
      throw new StowageError('newer-format', `A newer version wrote the record "${key}".`, { key })
    }
    if (bytes.length < tombstoneBytes || bytes[0] !== format) {
      throw new StowageError('integrity', `The record "${key}" is damaged.`, { key, retryable: false })
    }
    return bytes.length === tombstoneBytes ? { etag } : { etag, value: bytes.subarray(headerBytes) }
  }
}

/** A condition that did not hold is a conflict; a write of which nobody knows what became is `unavailable`, whatever the reason. */
function failed(key: string, error: unknown): StowageError {
  if (!StowageError.isInstance(error)) throw error
  if (error.code === 'conflict' && error.key === key) return error
  const about = { key, cause: error }
  if (error.code === 'precondition-failed' || error.code === 'conflict') {
    return new StowageError('conflict', `The record "${key}" was changed by somebody else.`, about)
  }
  if (!error.retryable && error.code !== 'integrity') return error
  return new StowageError('unavailable', `The record "${key}" could not be reached: ${error.message}`, about)
}
