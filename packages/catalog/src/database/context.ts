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

/** Runs work in one transaction. */
export function inTransaction<T>(context: Context, work: (context: Context) => Promise<T>): Promise<T> {
  return context.db.transaction().execute((trx) => work({ ...context, db: trx }))
}
