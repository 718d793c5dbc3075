import type { Random } from '@stowage/core'
import { policyKeys } from './policy-records.ts'
import type { Records } from './records.ts'

/** A key that events told of. */
export interface NotedChange {
  /** Relative to the prefix that the policy watches. */
  key: string
  /** When it was written, by its store's clock, and when we heard of it. Milliseconds since the epoch. */
  written: number
  heard: number
}

interface Batch {
  changes: [key: string, written: number, heard: number][]
}

/** What a run takes up. */
export interface TakenNotes {
  /** The last note of each key. */
  changes: NotedChange[]
  /** To be forgotten once the run has seen to them. */
  records: string[]
  /** There are more than it is worth to look at one by one. */
  tooMany: boolean
}

/** Bytes of keys in one record, at most: a record holds 512 KiB, and JSON may make three of one. */
const batchBytes = 128 * 1024

/** Keys beyond which a look at everything is cheaper, and records, which a listing tells without reading them. */
const [mostKeys, mostRecords] = [10_000, 1000]

/** Keys that changed, written down before the events that told of them are acknowledged. */
export class ChangeNotes {
  readonly #records: Records
  readonly #random: Random

  constructor(records: Records, random: Random) {
    this.#records = records
    this.#random = random
  }

  /** Writes changes down. */
  async add(policyId: string, changes: readonly NotedChange[], now: number): Promise<void> {
    for (const batch of batches(changes)) {
      const key = `${policyKeys.changes(policyId)}${this.#random.id(now)}`
      await this.#records.write(key, { changes: batch.map(({ key, written, heard }) => [key, written, heard]) })
    }
  }

  async any(policyId: string): Promise<boolean> {
    return (await this.#records.list(policyKeys.changes(policyId), { limit: 1 })).length > 0
  }

  /** Whether there are so many that more need not be written down. */
  async full(policyId: string): Promise<boolean> {
    return (await this.#records.list(policyKeys.changes(policyId), { limit: mostRecords })).length >= mostRecords
  }

  /** What is noted now. It stays until {@link forget}. */
  async take(policyId: string, signal: AbortSignal): Promise<TakenNotes> {
    const last = new Map<string, NotedChange>()
    const records = await this.list(policyId, signal)
    for (const record of records) {
      if (last.size > mostKeys) break
      const batch = await this.#records.read<Batch>(record, signal)
      for (const [key, written, heard] of batch?.changes ?? []) last.set(key, { key, written, heard })
    }
    return { changes: [...last.values()], records, tooMany: last.size > mostKeys }
  }

  /** The records of what is noted now, oldest first. */
  async list(policyId: string, signal: AbortSignal): Promise<string[]> {
    const records: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await this.#records.list(
        policyKeys.changes(policyId),
        { limit: mostRecords, ...(after === undefined ? {} : { after }) },
        signal,
      )
      records.push(...page)
      after = page.at(-1)
      if (page.length < mostRecords) return records
    }
  }

  /** Whether records tell of something that was heard of after a time. One at a time is read, the newest first. */
  async anyAfter(records: readonly string[], at: number, signal: AbortSignal): Promise<boolean> {
    for (const record of records.toReversed()) {
      const batch = await this.#records.read<Batch>(record, signal)
      if (batch?.changes.some(([, , heard]) => heard > at)) return true
    }
    return false
  }

  async forget(records: readonly string[]): Promise<void> {
    for (const record of records) await this.#records.delete(record)
  }
}

function* batches(changes: readonly NotedChange[]): Generator<NotedChange[]> {
  let batch: NotedChange[] = []
  let bytes = 0
  for (const change of changes) {
    const size = Buffer.byteLength(change.key) + 40
    if (bytes + size > batchBytes && batch.length > 0) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(change)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
