import {
  type Clock,
  checkRecordKey,
  checkRecordValue,
  type RecordWrite,
  type StoredRecord,
  StowageError,
  type SyncStore,
  systemClock,
} from '@stowage/core'

/**
 * A store in memory: for tests, and for syncs that need not survive the process.
 *
 * @example
 * ```ts
 * const sync = createSync({ store: memoryStore() })
 * ```
 */
export function memoryStore(options: { clock?: Clock } = {}): SyncStore {
  const clock = options.clock ?? systemClock
  const records = new Map<string, StoredRecord>()
  let next = 0
  const conflict = (key: string): StowageError =>
    new StowageError('conflict', `The record "${key}" was changed by somebody else.`, { key })
  const isRefused = (key: string, value: Uint8Array | null, expected: RecordWrite['expected']): boolean => {
    const there = records.get(key)?.revision
    return value === null ? expected !== undefined && there !== expected : (there ?? null) !== expected
  }
  return {
    now: async () => clock.now(),
    async get(key) {
      checkRecordKey(key)
      const found = records.get(key)
      return found === undefined ? undefined : { value: found.value.slice(), revision: found.revision }
    },
    async put(key, value, expected) {
      checkRecordKey(key)
      checkRecordValue(key, value)
      if ((records.get(key)?.revision ?? null) !== expected) throw conflict(key)
      const revision = String(++next)
      records.set(key, { value: value.slice(), revision })
      return revision
    },
    async delete(key, expected) {
      checkRecordKey(key)
      if (expected !== undefined && records.get(key)?.revision !== expected) throw conflict(key)
      records.delete(key)
    },
    async batch(writes) {
      for (const { key, value, expected } of writes) {
        checkRecordKey(key)
        if (value !== null) checkRecordValue(key, value)
        if (isRefused(key, value, expected)) throw conflict(key)
      }
      const revision = String(++next)
      for (const { key, value } of writes) {
        if (value === null) records.delete(key)
        else records.set(key, { value: value.slice(), revision })
      }
      return revision
    },
    async list(prefix, { after = '', limit = Number.POSITIVE_INFINITY } = {}) {
      // The characters of keys are ASCII, so the order of strings is that of bytes.
      return [...records.keys()]
        .filter((key) => key.startsWith(prefix) && key > after)
        .sort()
        .slice(0, limit)
    },
    async close() {},
  }
}
