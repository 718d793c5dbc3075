import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StowageError } from '@stowage/core'
import { Kysely } from 'kysely'
import type { CatalogDatabase, CatalogSchema } from '../database/index.ts'
import { kyselyDialect, sqliteDialect } from './dialect.ts'
import { sqliteError } from './errors.ts'
import { whileBusy } from './retry.ts'

/**
 * Opens an SQLite database in a file, or in memory when no path is given. The file and its folder are made when they do not exist.
 * @throws StowageError `configuration` when the path cannot be opened or is not a database
 */
export function openSqlite(path?: string): CatalogDatabase {
  const database = path === undefined ? openDatabase(':memory:') : openFile(path)
  const db = new Kysely<CatalogSchema>({ dialect: kyselyDialect(database) })
  let closed = false
  return {
    get db() {
      if (closed) throw new StowageError('invalid-request', 'The catalog is closed.')
      return db
    },
    dialect: sqliteDialect,
    inspect: () => whileBusy(() => inspect(database)).catch((error) => fail(error, path)),
    prepare: () => prepare(database, path).catch((error) => fail(error, path)),
    close: async () => {
      if (closed) return
      closed = true
      // Takes the connection once, behind all who asked for it before: what was begun is finished.
      await db.connection().execute(async () => {})
      await db.destroy()
    },
  }
}

function openFile(path: string): DatabaseSync {
  // An absolute path is never taken for a `file:` URI nor for `:memory:`.
  const file = resolve(path)
  try {
    mkdirSync(dirname(file), { recursive: true })
    // Made here because the catalog is nobody else's to read; SQLite would leave that to the umask.
    closeSync(openSync(file, 'a', 0o600))
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown'
    throw new StowageError('configuration', `The catalog "${path}" cannot be opened (${reason}).`, {
      cause: error,
      field: 'catalog.path',
      hint: 'Give the path of a file, in a folder that this process may write.',
    })
  }
  return openDatabase(file, path)
}

function openDatabase(file: string, path?: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout: 5, enableForeignKeyConstraints: true })
  } catch (error) {
    return fail(sqliteError(error), path)
  }
}

/** Adds the path to errors that are about it. */
function fail(error: unknown, path: string | undefined): never {
  if (path === undefined || !StowageError.isInstance(error) || error.code !== 'configuration') throw error
  throw new StowageError('configuration', `${error.message.slice(0, -1)}: "${path}".`, {
    cause: error.cause,
    field: 'catalog.path',
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

function inspect(database: DatabaseSync): number | 'foreign' {
  const tables = database.prepare("select name from sqlite_master where type = 'table'").all()
  if (tables.length === 0) return 0
  if (!tables.some((table) => table['name'] === 'stowage_meta')) return 'foreign'
  const row = database.prepare("select value from stowage_meta where name = 'schema'").get()
  return Number(row?.['value'] ?? 0)
}

/**
 * WAL: readers never wait for the writer, and a commit is one append. `synchronous = full` syncs that append, so that a publish that was
 * acknowledged is still there after a loss of power (`normal` would only keep the file whole).
 */
async function prepare(database: DatabaseSync, path: string | undefined): Promise<void> {
  if (path !== undefined) {
    const row = await whileBusy(() => database.prepare('pragma journal_mode = wal').get())
    if (row?.['journal_mode'] !== 'wal') {
      throw new StowageError('configuration', 'The catalog cannot use a write-ahead log there.', {
        hint: 'Put it on a local disk; network file systems cannot hold it.',
      })
    }
  }
  await whileBusy(() => database.exec('pragma synchronous = full'))
}
