import type { DatabaseSync } from 'node:sqlite'
import { StowageError } from '@stowage/core'
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import { sqliteError } from './errors.ts'
import { whileBusy } from './retry.ts'
import { Statements, toInput } from './statements.ts'

/**
 * Kysely's driver for `node:sqlite`: one connection, which Kysely hands to one query or transaction at a time. Transactions take the write
 * lock when they begin, so that they never fail half way because somebody else came first.
 */
export class NodeSqliteDriver implements Driver {
  readonly #database: DatabaseSync
  readonly #connection: NodeSqliteConnection

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#connection = new NodeSqliteConnection(database)
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    await whileBusy(() => this.#database.exec('begin immediate'))
  }

  async commitTransaction(): Promise<void> {
    try {
      this.#database.exec('commit')
    } catch (error) {
      throw sqliteError(error)
    }
  }

  async rollbackTransaction(): Promise<void> {
    // After some errors (a full disk, for one) SQLite has rolled back by itself, and a second rollback would hide the first error.
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('rollback')
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    this.#connection.close()
    if (this.#database.isOpen) this.#database.close()
  }
}

class NodeSqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync
  readonly #statements: Statements

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#statements = new Statements(database)
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const parameters = query.parameters.map(toInput)
    // Inside a transaction nobody else can hold the lock; outside, a single statement that found it taken has done nothing.
    return whileBusy(() => this.#run<R>(query.sql, parameters))
  }

  #run<R>(sql: string, parameters: ReturnType<typeof toInput>[]): QueryResult<R> {
    const statement = this.#statements.get(sql)
    if (statement.columns().length > 0) return { rows: statement.all(...parameters) as R[] }
    const { changes, lastInsertRowid } = statement.run(...parameters)
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  }

  // biome-ignore lint/correctness/useYield: Kysely asks for a generator, and this one only refuses
  async *streamQuery<R>(): AsyncGenerator<QueryResult<R>> {
    throw new StowageError('not-supported', 'The catalog does not stream queries: they would hold its only connection.')
  }

  close(): void {
    this.#statements.clear()
    // A transaction that was never ended must not be committed by closing.
    if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('rollback')
  }
}
