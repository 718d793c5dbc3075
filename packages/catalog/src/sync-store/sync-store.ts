import {
  type Clock,
  checkRecordKey,
  checkRecordValue,
  type RecordWrite,
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
    return this.#database.db.transaction().execute(async (trx) => {
      const revision = await nextCount(trx, 'revision')
      await putRow(trx, { key, value, expected }, revision)
      return String(revision)
    })
  }

  async delete(key: string, expected?: string): Promise<void> {
    checkRecordKey(key)
    await deleteRow(this.#database.db, key, expected)
  }

  async batch(writes: readonly RecordWrite[]): Promise<string> {
    for (const { key, value } of writes) {
      checkRecordKey(key)
      if (value !== null) checkRecordValue(key, value)
    }
    return this.#database.db.transaction().execute(async (trx) => {
      // First: it makes all who write wait for one another, so that none holds what another one wants.
      const revision = await nextCount(trx, 'revision')
      for (const write of writes) {
        if (write.value === null) await deleteRow(trx, write.key, write.expected)
        else await putRow(trx, write, revision)
      }
      return String(revision)
    })
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

type Database = CatalogDatabase['db']

async function putRow(
  db: Database,
  { key, value, expected }: RecordWrite & { value: Uint8Array },
  revision: number,
): Promise<void> {
  const bytes = toBytes(key, 'key')
  const written = await (expected === null
    ? db
        .insertInto('records')
        .values({ key: bytes, value, revision })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .executeTakeFirst()
        .then((result) => result.numInsertedOrUpdatedRows)
    : db
        .updateTable('records')
        .set({ value, revision })
        .where('key', '=', bytes)
        .where('revision', '=', toRevision(key, expected))
        .executeTakeFirst()
        .then((result) => result.numUpdatedRows))
  if (written !== 1n) throw changed(key)
}

async function deleteRow(db: Database, key: string, expected: string | undefined): Promise<void> {
  let query = db.deleteFrom('records').where('key', '=', toBytes(key, 'key'))
  if (expected !== undefined) query = query.where('revision', '=', toRevision(key, expected))
  const { numDeletedRows } = await query.executeTakeFirst()
  if (expected !== undefined && numDeletedRows !== 1n) throw changed(key)
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
