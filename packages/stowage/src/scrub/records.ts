import { createHash } from 'node:crypto'
import { hasCode, StowageError, type SyncStore } from '@stowage/core'

/** The version of every record. One of a higher version is left alone. */
const FORMAT = 1

const PAGE = 1000

/** A record and the revision it has. */
export interface Found<T> {
  value: T
  revision: string
}

/** What the scrub writes down, as JSON in the catalog's records. */
export class ScrubRecords {
  readonly #store: SyncStore

  constructor(store: SyncStore) {
    this.#store = store
  }

  /** The store's clock, in milliseconds since the epoch. */
  now(): Promise<number> {
    return this.#store.now()
  }

  /** @throws StowageError `newer-format` for a record of a newer version, `integrity` for one that cannot be read */
  async read<T>(key: string): Promise<Found<T> | undefined> {
    const found = await this.#store.get(key)
    return found === undefined ? undefined : { value: decode<T>(key, found.value), revision: found.revision }
  }

  /** Writes a record if its revision is still the expected one. Returns the new one, or `undefined` when somebody else was first. */
  async write(key: string, value: object, expected: string | null): Promise<string | undefined> {
    try {
      return await this.#store.put(key, Buffer.from(JSON.stringify({ format: FORMAT, ...value })), expected)
    } catch (error) {
      if (hasCode(error, 'conflict')) return undefined
      throw error
    }
  }

  /** Forgets a record, unless it was changed since. Returns whether it is gone. */
  async forget(key: string, revision: string): Promise<boolean> {
    try {
      await this.#store.delete(key, revision)
      return true
    } catch (error) {
      if (hasCode(error, 'conflict')) return false
      throw error
    }
  }

  /** All records under a prefix. */
  async *all<T>(prefix: string): AsyncGenerator<Found<T> & { key: string }> {
    for (let after: string | undefined; ; ) {
      const page = await this.#store.list(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const key of page) {
        const found = await this.read<T>(key)
        if (found !== undefined) yield { ...found, key }
      }
      after = page.at(-1)
      if (page.length < PAGE) return
    }
  }
}

/** A name for a record that is about these: ids and keys may have what names of records may not. */
export function nameOf(...parts: string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex')
}

function decode<T>(key: string, bytes: Uint8Array): T {
  let value: { format?: unknown }
  try {
    value = JSON.parse(Buffer.from(bytes).toString()) as { format?: unknown }
  } catch (cause) {
    throw new StowageError('integrity', `The record "${key}" cannot be read.`, { key, cause, retryable: false })
  }
  if (typeof value.format === 'number' && value.format > FORMAT) {
    throw new StowageError('newer-format', `The record "${key}" has format ${value.format}; this version knows 1.`, {
      key,
      hint: 'Use the newer version of Stowage that wrote it; nothing was touched.',
    })
  }
  return value as T
}
