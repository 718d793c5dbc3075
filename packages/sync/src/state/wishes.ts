import { encodeRecord, hasCode } from '@stowage/core'
import { deleteRecord, listRecords, type Records, readRecord, writeRecord } from './cas.ts'
import type { PairKeys } from './record-keys.ts'

/** The wish of a worker that has nothing to do: that somebody splits a partition. */
export class Wish {
  readonly #records: Records
  readonly #keys: PairKeys
  #record: string | undefined

  constructor(records: Records, keys: PairKeys) {
    this.#records = records
    this.#keys = keys
  }

  /** Writes it down, unless it still stands. */
  async make(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#records
    if (this.#record !== undefined && (await readRecord(this.#records, this.#record, signal)) !== undefined) return
    this.#record = `${this.#keys.wishes}${random.id(clock.now())}`
    await writeRecord(this.#records, this.#record, encodeRecord({ at: clock.now() }), null, signal)
  }

  async drop(signal: AbortSignal): Promise<void> {
    if (this.#record !== undefined) await deleteRecord(this.#records, this.#record, signal)
    this.#record = undefined
  }
}

/** Takes one wish that somebody made, so that nobody else grants it too. */
export async function takeWish(records: Records, keys: PairKeys, signal: AbortSignal): Promise<boolean> {
  for await (const record of listRecords(records, keys.wishes, signal)) {
    const found = await records.store.get(record)
    if (found === undefined) continue
    try {
      await records.store.delete(record, found.revision)
      return true
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
    }
  }
  return false
}
