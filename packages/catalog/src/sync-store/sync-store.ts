import {
  type Clock,
  checkRecordKey,
  checkRecordValue,
  type StoredRecord,
  StowageError,
  type SyncStore,
} from '@stowage/core'
import { afterPrefix, type CatalogDatabase, DatabaseClock, fromBytes, nextCount, toBytes } from '../database/index.ts'

/**
 * The sync engine's records as a table. Every write takes its revision from one counter that only grows, also across deletes and
 * restarts, so a revision never comes again for any key.
 */
export class SqlSyncStore implements SyncStore {
  readonly #database: CatalogDatabase
  readonly #clock: Clock
  readonly #onClose: () => Promise<void>

  constructor(database: CatalogDatabase, clock: Clock, onClose: () => Promise<void>) {
    this.#database = database
    this.#clock = clock
    this.#onClose = onClose
  }

  async now(): Promise<number> {
    if (this.#clock instanceof DatabaseClock) await this.#clock.measure()
    return this.#clock.now()
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    checkRecordKey(key)
    const row = await this.#database.db
      .selectFrom('records')
      .select(['value', 'revision'])
      .where('key', '=', toBytes(key, 'key'))
      .executeTakeFirst()
    return row === undefined ? undefined : { value: row.value, revision: String(row.revision) }
  }

  async put(key: string, value: Uint8Array, expected: string | null): Promise<string> {
    checkRecordKey(key)
    checkRecordValue(key, value)
    const bytes = toBytes(key, 'key')
    const before = expected === null ? null : toRevision(key, expected)
    return this.#database.db.transaction().execute(async (trx) => {
      const revision = await nextCount(trx, 'revision')
      const written = await (before === null
        ? trx
            .insertInto('records')
            .values({ key: bytes, value, revision })
            .onConflict((conflict) => conflict.column('key').doNothing())
            .executeTakeFirst()
            .then((result) => result.numInsertedOrUpdatedRows)
        : trx
            .updateTable('records')
            .set({ value, revision })
            .where('key', '=', bytes)
            .where('revision', '=', before)
            .executeTakeFirst()
            .then((result) => result.numUpdatedRows))
      if (written !== 1n) throw changed(key)
      return String(revision)
    })
  }

  async delete(key: string, expected?: string): Promise<void> {
    checkRecordKey(key)
    let query = this.#database.db.deleteFrom('records').where('key', '=', toBytes(key, 'key'))
    if (expected !== undefined) query = query.where('revision', '=', toRevision(key, expected))
    const { numDeletedRows } = await query.executeTakeFirst()
    if (expected !== undefined && numDeletedRows !== 1n) throw changed(key)
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<string[]> {
    const begin = toBytes(prefix, 'prefix')
    const end = afterPrefix(begin)
    let query = this.#database.db.selectFrom('records').select('key').where('key', '>=', begin).orderBy('key')
    if (end !== undefined) query = query.where('key', '<', end)
    if (options.after !== undefined) query = query.where('key', '>', toBytes(options.after, 'after'))
    if (options.limit !== undefined) query = query.limit(Math.max(0, options.limit))
    return (await query.execute()).map((row) => fromBytes(row.key))
  }

  async close(): Promise<void> {
    await this.#onClose()
  }
}

/** Revisions are opaque to callers, and one that we never gave cannot be the record's. */
function toRevision(key: string, revision: string): number {
  const value = Number(revision)
  if (!Number.isSafeInteger(value)) throw changed(key)
  return value
}

function changed(key: string): StowageError {
  return new StowageError('conflict', `The record "${key}" was changed by somebody else.`, { key })
}
