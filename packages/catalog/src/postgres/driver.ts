import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDriver,
  type PostgresPool,
  type QueryResult,
  type TransactionSettings,
} from 'kysely'
import { postgresError } from './errors.ts'

/** Kysely's driver for `pg`, with errors that are ours. */
export class MappedPostgresDriver implements Driver {
  readonly #driver: PostgresDriver
  readonly #known = new WeakMap<DatabaseConnection, MappedConnection>()

  constructor(pool: PostgresPool) {
    this.#driver = new PostgresDriver({ pool })
  }

  init(): Promise<void> {
    return mapped(() => this.#driver.init())
  }

  async acquireConnection(): Promise<MappedConnection> {
    const connection = await mapped(() => this.#driver.acquireConnection())
    const known = this.#known.get(connection) ?? new MappedConnection(connection)
    this.#known.set(connection, known)
    return known
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return mapped(() => this.#driver.beginTransaction(inner(connection), settings))
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return mapped(() => this.#driver.commitTransaction(inner(connection)))
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return mapped(() => this.#driver.rollbackTransaction(inner(connection)))
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return mapped(() => this.#driver.releaseConnection(inner(connection)))
  }

  destroy(): Promise<void> {
    return mapped(() => this.#driver.destroy())
  }
}

type PostgresConnection = Parameters<PostgresDriver['releaseConnection']>[0]

class MappedConnection implements DatabaseConnection {
  readonly connection: DatabaseConnection

  constructor(connection: DatabaseConnection) {
    this.connection = connection
  }

  executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return mapped(() => this.connection.executeQuery<R>(query))
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.connection.streamQuery<R>(query, chunkSize)
  }
}

function inner(connection: DatabaseConnection): PostgresConnection {
  return (connection as MappedConnection).connection as PostgresConnection
}

async function mapped<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw postgresError(error)
  }
}
