import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { MAX_RECORD_VALUE, StowageError, type SyncStore, ulid } from '@stowage/core'
import type { DecisionRecord } from '@stowage/router'
import { keysBelow } from '../records/index.ts'

const prefix = 'routing/log/'
const none = new Uint8Array(10)

/** Recorded decisions in the catalog: compressed batches, under the ids of their first and last decision. */
export class DecisionBatches {
  readonly #store: SyncStore

  constructor(store: SyncStore) {
    this.#store = store
  }

  async put(decisions: readonly DecisionRecord[]): Promise<void> {
    // Ids of one millisecond are in no order, and the first and the last one are the batch's name.
    const records = decisions.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const [first, last] = [records[0], records.at(-1)]
    if (first === undefined || last === undefined) return
    const value = await promisify(gzip)(JSON.stringify(records))
    if (value.length <= MAX_RECORD_VALUE || records.length === 1) {
      await this.#store.put(`${prefix}${first.id}.${last.id}`, value, null)
      return
    }
    const half = records.length >> 1
    await this.put(records.slice(0, half))
    await this.put(records.slice(half))
  }

  /** The newest records first, batch by batch. */
  async *newest(): AsyncGenerator<DecisionRecord> {
    for (const key of (await this.#keys()).reverse()) yield* (await this.#read(key)).reverse()
  }

  async find(id: string): Promise<DecisionRecord | undefined> {
    for (const key of await this.#keys()) {
      const [first = '', last = ''] = key.slice(prefix.length).split('.')
      if (id < first || id > last) continue
      // Batches of several processes overlap.
      const found = (await this.#read(key)).find((record) => record.id === id)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Deletes batches that are older than a time, and the oldest above a number. */
  async prune(before: number, most: number): Promise<void> {
    const keys = await this.#keys()
    const oldest = ulid(Math.max(0, before), none)
    const spare = keys.length - most
    for (const [i, key] of keys.entries()) {
      const last = key.slice(prefix.length).split('.')[1] ?? ''
      if (last < oldest || i < spare) await this.#store.delete(key)
    }
  }

  async #keys(): Promise<string[]> {
    const keys: string[] = []
    for await (const key of keysBelow(this.#store, prefix)) keys.push(key)
    return keys
  }

  async #read(key: string): Promise<DecisionRecord[]> {
    const record = await this.#store.get(key)
    if (record === undefined) return []
    try {
      return JSON.parse((await promisify(gunzip)(record.value)).toString()) as DecisionRecord[]
    } catch (cause) {
      throw new StowageError('integrity', `The batch of decisions ${key} cannot be read.`, { cause })
    }
  }
}
