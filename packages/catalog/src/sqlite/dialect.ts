import type { DatabaseSync } from 'node:sqlite'
import { type Dialect, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql } from 'kysely'
import type { CatalogDialect } from '../database/index.ts'
import { NodeSqliteDriver } from './driver.ts'

/** Kysely's side: SQLite's SQL over `node:sqlite`. */
export function kyselyDialect(database: DatabaseSync): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new NodeSqliteDriver(database),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

/** What the stores need to know of SQLite. */
export const sqliteDialect: CatalogDialect = {
  name: 'sqlite',
  types: { bytes: 'blob', integer: 'integer', number: 'real', identity: 'integer' },
  identity: (column) => column.primaryKey().autoIncrement(),
  tableEnd: { usual: sql`strict`, clustered: sql`strict, without rowid` },
  rowLocks: false,
}
