import type { Clock } from '@stowage/core'
import type { Kysely } from 'kysely'
import type { CatalogDialect, CatalogSchema } from '../database/index.ts'

/** What every part of the dataset store works with. Inside a transaction `db` is the transaction. */
export interface Context {
  readonly db: Kysely<CatalogSchema>
  readonly dialect: CatalogDialect
  readonly clock: Clock
}

/** Runs work in one transaction. */
export function inTransaction<T>(context: Context, work: (context: Context) => Promise<T>): Promise<T> {
  return context.db.transaction().execute((trx) => work({ ...context, db: trx }))
}
