import {
  type Clock,
  type DatasetStore,
  type Random,
  type SourceStore,
  StowageError,
  type SyncStore,
  systemClock,
  systemRandom,
} from '@stowage/core'
import { type CatalogDatabase, DatabaseClock } from './database/index.ts'
import { SqlDatasetStore } from './dataset-store/index.ts'
import { migrate } from './migrations/index.ts'
import type { PostgresLocation } from './postgres/index.ts'
import { SqlSourceStore } from './source-store/index.ts'
import { openSqlite } from './sqlite/index.ts'
import { SqlSyncStore } from './sync-store/index.ts'

/** Where a catalog is kept: a file of SQLite; PostgreSQL, for several machines; or memory, for tests and for embedding. */
export type CatalogLocation =
  | {
      type: 'sqlite'
      /** The file. It and its folder are made when they do not exist. */
      path: string
    }
  | PostgresLocation
  | { type: 'memory' }

/** What a catalog takes its time and chance from. */
export interface CatalogOptions {
  /** @defaultValue the database's clock where machines share it, else the machine's */
  clock?: Clock
  /** @defaultValue the machine's chance */
  random?: Random
}

/** An open catalog. Its stores share one database. */
export interface Catalog {
  readonly datasets: DatasetStore
  readonly sync: SyncStore
  /** Closes all stores and the database. A second call does nothing. */
  close(): Promise<void>
}

/** What {@link openCatalog} opens: a catalog that keeps sources too. */
export interface OpenCatalog extends Catalog {
  readonly sources: SourceStore
}

/**
 * Opens a catalog and brings its schema up to date. Any number of processes of one machine may open the same file, and of many machines
 * the same database, also a fresh one at the same time. The database is closed by {@link Catalog.close}, or when all stores were closed.
 *
 * @throws StowageError `configuration` when the path cannot be opened or is something else, `newer-format` when a newer version of Stowage
 * wrote it (nothing was changed), `unavailable` when another process holds it locked
 *
 * @example
 * ```ts
 * const catalog = await openCatalog({ type: 'sqlite', path: './.stowage/catalog.db' })
 * const found = await catalog.datasets.findDatasets('cats')
 * await catalog.close()
 * ```
 */
export async function openCatalog(location: CatalogLocation, options: CatalogOptions = {}): Promise<OpenCatalog> {
  const { random = systemRandom } = options
  const own = options.clock ?? systemClock
  const database = await openDatabase(location)
  let clock = own
  try {
    await migrate(database, { clock, random })
    if (database.now !== undefined && own === systemClock) clock = await DatabaseClock.start(own, database.now)
  } catch (error) {
    await database.close()
    throw error
  }
  const open = new Set(['datasets', 'sync', 'sources'])
  const closed = async (store: string): Promise<void> => {
    if (open.delete(store) && open.size === 0) await database.close()
  }
  const datasets = new SqlDatasetStore(database, clock, () => closed('datasets'))
  const sync = new SqlSyncStore(database, clock, () => closed('sync'))
  const sources = new SqlSourceStore(database, clock, () => closed('sources'))
  return {
    datasets,
    sync,
    sources,
    close: async () => {
      await datasets.close()
      await sync.close()
      await sources.close()
    },
  }
}

async function openDatabase(location: CatalogLocation): Promise<CatalogDatabase> {
  if (location.type === 'memory') return openSqlite()
  if (location.type === 'sqlite' && typeof location.path === 'string' && location.path !== '')
    return openSqlite(location.path)
  // Loaded only when it is used, as its driver is an optional peer.
  if (location.type === 'postgres') return (await import('./postgres/index.ts')).openPostgres(location)
  throw new StowageError(
    'configuration',
    'A catalog is { type: "sqlite", path }, { type: "postgres", url } or { type: "memory" }.',
    { field: 'catalog' },
  )
}
