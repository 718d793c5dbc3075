import { type Clock, hasCode, type Random, type RecordWrite, StowageError, type SyncStore } from '@stowage/core'
import { retry } from '../flow/index.ts'

/** A store with patience: the engine's way to talk to a {@link SyncStore}. */
export interface Records {
  readonly store: SyncStore
  readonly clock: Clock
  readonly random: Random
  /** How long leases last, in milliseconds, where tests have no time to wait for them. @defaultValue 30 seconds */
  readonly leaseMs?: number
}

const backoff = { baseMs: 100, maxMs: 2000 }

/** About eight seconds of tries: a database that is started anew ends no run. Whoever holds a lease stops when it runs out. */
const attempts = 12

function patient<T>(records: Records, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return retry(work, { clock: records.clock, random: records.random, signal, attempts, backoff })
}

/** The store's clock, with a few tries. */
export function storeNow(records: Records, signal: AbortSignal): Promise<number> {
  return patient(records, signal, () => records.store.now())
}

/** Reads a record, with a few tries. */
export function readRecord(records: Records, key: string, signal: AbortSignal): ReturnType<SyncStore['get']> {
  return patient(records, signal, () => records.store.get(key))
}

/**
 * Writes a record by compare-and-swap and finds out what became of a write whose answer was lost, by reading it back. Values of
 * different writes must differ, so that ours can be told from another's.
 * @returns the new revision
 * @throws StowageError `conflict` when somebody else wrote first
 */
export async function writeRecord(
  records: Records,
  key: string,
  value: Uint8Array,
  expected: string | null,
  signal: AbortSignal,
): Promise<string> {
  return await patient(records, signal, async () => {
    try {
      return await records.store.put(key, value, expected)
    } catch (error) {
      if (!hasCode(error, 'unavailable', 'timeout', 'conflict')) throw error
      const found = await records.store.get(key)
      if (found !== undefined && Buffer.compare(found.value, value) === 0) return found.revision
      if ((found?.revision ?? null) === expected && error.code !== 'conflict') throw error
      throw new StowageError('conflict', `The record "${key}" was changed by somebody else.`, { key, cause: error })
    }
  })
}

/**
 * Several writes in one step, with a few tries. The first one tells whether the answer was lost: it makes a key or bytes that are of this step alone.
 * @returns the revision that all have; `undefined` when the store has no such step, or one of them was refused and nothing was written
 */
export async function writeTogether(
  records: Records,
  writes: readonly RecordWrite[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { store } = records
  const [first] = writes
  if (store.batch === undefined || first === undefined) return undefined
  return await patient(records, signal, async () => {
    try {
      return await store.batch?.(writes)
    } catch (error) {
      if (!hasCode(error, 'unavailable', 'timeout', 'conflict')) throw error
      const found = await store.get(first.key)
      const isOurs = found !== undefined && first.value !== null && Buffer.compare(found.value, first.value) === 0
      if (isOurs) return found.revision
      if (error.code === 'conflict') return undefined
      throw error
    }
  })
}

/** Writes a record whatever it was before. For records that only the holder of a lease writes. */
export async function replaceRecord(
  records: Records,
  key: string,
  value: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    const found = await readRecord(records, key, signal)
    if (found !== undefined && Buffer.compare(found.value, value) === 0) return
    try {
      await writeRecord(records, key, value, found?.revision ?? null, signal)
      return
    } catch (error) {
      if (!hasCode(error, 'conflict') || tries >= 4) throw error
    }
  }
}

/**
 * Deletes a record, with a few tries.
 * @param expected only if it still has this revision
 * @throws StowageError `conflict` when it has another one
 */
export async function deleteRecord(
  records: Records,
  key: string,
  signal: AbortSignal,
  expected?: string,
): Promise<void> {
  let unsure = false
  await patient(records, signal, async () => {
    try {
      await records.store.delete(key, expected)
    } catch (error) {
      // Gone by an earlier try whose answer was lost.
      if (unsure && hasCode(error, 'conflict') && (await records.store.get(key)) === undefined) return
      unsure = true
      throw error
    }
  })
}

/** All keys below a prefix, or those above `after`, a page at a time. @param options.limit keys of a page */
export async function* listRecords(
  records: Records,
  prefix: string,
  signal: AbortSignal,
  { after, limit = 1000 }: { after?: string; limit?: number } = {},
): AsyncGenerator<string> {
  for (;;) {
    const options = after === undefined ? { limit } : { after, limit }
    const page = await patient(records, signal, () => records.store.list(prefix, options))
    yield* page
    after = page.at(-1)
    if (page.length < limit || after === undefined) return
  }
}
