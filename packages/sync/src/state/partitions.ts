import { hasCode, StowageError } from '@stowage/core'
import { deleteRecord, listRecords, type Records, readRecord, storeNow, writeRecord } from './cas.ts'
import { isHeld } from './lease-record.ts'
import type { Owner } from './owner.ts'
import { PairLease } from './pair-lease.ts'
import { decodePair, emptyPair, encodePair, type PairState } from './pair-record.ts'
import type { PartInfo } from './part-info.ts'
import type { PairKeys } from './record-keys.ts'

/** A partition as its record has it. */
export interface Partition {
  id: string
  state: Readonly<PairState>
  part: PartInfo
  /** Whether somebody works on it. */
  held: boolean
}

/**
 * The partitions of an unfinished task: a chain of records, each with a range of keys, a lease, a cursor and a part of the ledger. Whoever holds
 * a partition may split it: the new partition is written first, and exists once the old one's record names it as the next. So at any moment
 * the chain covers every key once.
 */
export class Partitions {
  readonly first: string
  readonly #records: Records
  readonly #keys: PairKeys
  readonly #owner: Owner
  /** What is complete never changes again. */
  readonly #complete = new Map<string, Partition>()

  constructor(records: Records, keys: PairKeys, owner: Owner, first: string) {
    this.#records = records
    this.#keys = keys
    this.#owner = owner
    this.first = first
  }

  /** All of them in order of keys. */
  async all(signal: AbortSignal): Promise<Partition[]> {
    const now = await storeNow(this.#records, signal)
    const chain: Partition[] = []
    for (let id: string | null = this.first; id !== null; ) {
      const found: Partition = this.#complete.get(id) ?? (await this.#read(id, now, signal))
      if (found.part.complete) this.#complete.set(id, found)
      chain.push(found)
      id = found.part.next
    }
    return chain
  }

  /** Takes a partition that nobody works on. Returns `undefined` when somebody else was faster. */
  async claim(id: string, signal: AbortSignal): Promise<PairLease | undefined> {
    try {
      return await PairLease.acquire(
        this.#records,
        this.#keys.part(id),
        this.#owner,
        signal,
        (state) => state?.part?.complete === false,
      )
    } catch (error) {
      if (hasCode(error, 'lease-held', 'not-found')) return undefined
      throw error
    }
  }

  /** Takes a complete partition, to open it again. */
  async reclaim(id: string, signal: AbortSignal): Promise<PairLease> {
    this.#complete.delete(id)
    return await PairLease.acquire(
      this.#records,
      this.#keys.part(id),
      this.#owner,
      signal,
      (state) => state !== undefined,
    )
  }

  async #read(id: string, now: number, signal: AbortSignal): Promise<Partition> {
    const key = this.#keys.part(id)
    const found = await readRecord(this.#records, key, signal)
    const state = found === undefined ? undefined : decodePair(key, found.value)
    if (state === undefined || state.part === null)
      throw new StowageError('not-found', `The partition "${key}" is gone: the task has ended.`, {
        key,
        retryable: false,
      })
    return { id, state, part: state.part, held: isHeld(state.lease, this.#owner, now) }
  }
}

/** Writes the record of a new partition, which does not exist until another one, or the pair, names it. Returns its id. */
export async function createPartition(
  records: Records,
  keys: PairKeys,
  state: Partial<PairState> & { part: PartInfo },
  signal: AbortSignal,
): Promise<string> {
  const id = records.random.id(records.clock.now())
  await writeRecord(records, keys.part(id), encodePair({ ...emptyPair(), ...state }), null, signal)
  return id
}

/** Deletes the records of all partitions and wishes, once the pair names none any more. */
export async function sweepPartitions(records: Records, keys: PairKeys, signal: AbortSignal): Promise<void> {
  for (const prefix of [keys.parts, keys.wishes])
    for await (const record of listRecords(records, prefix, signal)) await deleteRecord(records, record, signal)
}
