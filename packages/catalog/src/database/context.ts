import type { Clock } from '@stowage/core'
import type { Kysely } from 'kysely'
import type { CatalogDatabase, CatalogDialect } from './dialect.ts'
import type { CatalogSchema } from './schema.ts'

/** What every part of a store works with. Inside a transaction `db` is the transaction. */
export interface Context {
  readonly db: Kysely<CatalogSchema>
  readonly dialect: CatalogDialect
  readonly clock: Clock
}

/** The context of an open database. It is asked for at every use, since a closed database refuses it. */
export function contextOf(database: CatalogDatabase, clock: Clock): Context {
  return {
    get db() {
      return database.db
    },
    dialect: database.dialect,
    clock,
  }
}

/** Tries of a transaction that was rolled back for the sake of others. */
const tries = 5

/** Runs work in one transaction. It may be run again, so it does nothing but to read and write through `db`. */
export async function inTransaction<T>(context: Context, work: (context: Context) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await context.db.transaction().execute((trx) => work({ ...context, db: trx }))
    } catch (error) {
      if (attempt >= tries || context.dialect.isRolledBack?.(error) !== true) throw error
    }
  }
}
