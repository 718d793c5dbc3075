import { createHash } from 'node:crypto'
import { decodeRecord, encodeRecord, hasCode, type SyncStore } from '@stowage/core'
import { keysBelow } from './keys.ts'

/** A record and the revision it has. */
export interface Found<T> {
  value: T
  revision: string
}

/** What is written down as JSON in the catalog's records. */
export class JsonRecords {
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
    return found === undefined ? undefined : { value: decodeRecord<T>(key, found.value), revision: found.revision }
  }

  /** Writes a record if its revision is still the expected one. Returns the new one, or `undefined` when somebody else was first. */
  async write(key: string, value: object, expected: string | null): Promise<string | undefined> {
    try {
      return await this.#store.put(key, encodeRecord(value), expected)
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
    for await (const key of keysBelow(this.#store, prefix)) {
      const found = await this.read<T>(key)
      if (found !== undefined) yield { ...found, key }
    }
  }
}

/** A name for a record that is about these: ids and keys may have what names of records may not. */
export function nameOf(...parts: string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex')
}
