import type { PostgresPool } from 'kysely'
import { type Dialect, type Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely'
import type { CatalogDialect, CatalogSchema } from '../database/index.ts'
import { MappedPostgresDriver } from './driver.ts'
import { isRolledBack } from './errors.ts'

/** Kysely's side: PostgreSQL's SQL over `pg`. */
export function kyselyDialect(pool: PostgresPool): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new MappedPostgresDriver(pool),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  }
}

/** The number that stands for Stowage's schema among PostgreSQL's advisory locks: "stowage" in ASCII. */
const schemaLock = 0x73746f77616765n

/** Holds the lock on the schema until the transaction ends. */
export async function lockSchema(trx: Kysely<CatalogSchema>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(String(schemaLock))}::bigint)`.execute(trx)
}

/** What the stores need to know of PostgreSQL. */
export const postgresDialect: CatalogDialect = {
  name: 'postgres',
  types: { bytes: 'bytea', integer: 'bigint', number: 'double precision', identity: 'bigint' },
  identity: (column) => column.primaryKey().generatedAlwaysAsIdentity(),
  tableEnd: { usual: sql``, clustered: sql`` },
  rowLocks: true,
  lockSchema,
  isRolledBack,
}
