import type { ColumnDataType, ColumnDefinitionBuilder, Kysely, RawBuilder, SelectQueryBuilder } from 'kysely'
import type { CatalogSchema } from './schema.ts'

/**
 * What the stores and migrations must know of a database beyond Kysely. A new database is one folder beside `sqlite/` that
 * opens a {@link CatalogDatabase}.
 */
export interface CatalogDialect {
  readonly name: string
  /**
   * Column types for bytes, for whole numbers up to 2^53, for numbers of 64-bit floating point, and for a number that the database
   * counts up and never gives twice.
   */
  readonly types: {
    readonly bytes: ColumnDataType
    readonly integer: ColumnDataType
    readonly number: ColumnDataType
    readonly identity: ColumnDataType
  }
  /** Makes a column of the type `identity` the primary key that the database counts up. */
  identity(column: ColumnDefinitionBuilder): ColumnDefinitionBuilder
  /** What ends `create table`: usual tables, and those that are best kept sorted by their primary key. */
  readonly tableEnd: { readonly usual: RawBuilder<unknown>; readonly clustered: RawBuilder<unknown> }
  /** Rows are locked by `select … for update`. False where a transaction locks the whole database. */
  readonly rowLocks: boolean
  /** Lets one process at a time change the schema, until the transaction ends. Absent where every transaction does. */
  lockSchema?(trx: Kysely<CatalogSchema>): Promise<void>
  /** True when a transaction failed for the sake of another one and can be done again at once. Absent where that does not happen. */
  isRolledBack?(error: unknown): boolean
}

/** An open database with the dialect it speaks. Its errors are StowageErrors. */
export interface CatalogDatabase {
  /** @throws StowageError `invalid-request` when it is closed */
  readonly db: Kysely<CatalogSchema>
  readonly dialect: CatalogDialect
  /**
   * What is in it, read without changing anything: the schema's version, 0 when it is empty, or `foreign` when it has tables
   * that are not ours.
   */
  inspect(): Promise<number | 'foreign'>
  /** Its clock, in milliseconds since the epoch, where other machines use it too. */
  now?(): Promise<number>
  /** Readies it for writing. Called after {@link inspect} has allowed it. */
  prepare(): Promise<void>
  /** Finishes what was begun, then closes. A second call does nothing. */
  close(): Promise<void>
}

/** Locks the selected rows until the transaction ends, where the database needs to be told. */
export function locked<T extends keyof CatalogSchema, O>(
  query: SelectQueryBuilder<CatalogSchema, T, O>,
  dialect: CatalogDialect,
): SelectQueryBuilder<CatalogSchema, T, O> {
  return dialect.rowLocks ? query.forUpdate() : query
}
