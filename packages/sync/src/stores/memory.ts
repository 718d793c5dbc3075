import {
  type Clock,
  checkRecordKey,
  checkRecordValue,
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
  let writes = 0
  const conflict = (key: string): StowageError =>
    new StowageError('conflict', `The record "${key}" was changed by somebody else.`, { key })
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
      const revision = String(++writes)
      records.set(key, { value: value.slice(), revision })
      return revision
    },
    async delete(key, expected) {
      checkRecordKey(key)
      if (expected !== undefined && records.get(key)?.revision !== expected) throw conflict(key)
      records.delete(key)
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
