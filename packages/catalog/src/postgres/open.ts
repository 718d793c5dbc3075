import { readFile } from 'node:fs/promises'
import { isLoopbackHost, StowageError } from '@stowage/core'
import { Kysely, sql, WithSchemaPlugin } from 'kysely'
import type { Pool, PoolConfig } from 'pg'
import type { CatalogDatabase, CatalogSchema } from '../database/index.ts'
import { kyselyDialect, lockSchema, postgresDialect } from './dialect.ts'
import type { PostgresLocation } from './options.ts'

/** Milliseconds for a connection to come about, a server that starts again included. */
const connectMs = 10_000
/** Milliseconds after which a statement is given up, here and by the server. */
const statementMs = 60_000
/** `int8` in PostgreSQL's table of types. Sizes, times and counts are all below 2^53. */
const int8 = 20

/**
 * Opens a catalog's database in PostgreSQL. Nothing is sent before it is used.
 * @throws StowageError `configuration` when the location is wrong, or `pg` is not installed
 */
export async function openPostgres(location: PostgresLocation): Promise<CatalogDatabase> {
  const schema = location.schema ?? 'stowage'
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw wrong('schema', 'takes lower-case letters, digits and "_", 63 at most, a letter first')
  }
  const pool = await connect(location)
  const db = new Kysely<CatalogSchema>({ dialect: kyselyDialect(pool), plugins: [new WithSchemaPlugin(schema)] })
  let closed: Promise<void> | undefined
  return {
    get db() {
      if (closed !== undefined) throw new StowageError('invalid-request', 'The catalog is closed.')
      return db
    },
    dialect: postgresDialect,
    inspect: () => inspect(db, schema),
    prepare: () =>
      db.transaction().execute(async (trx) => {
        await lockSchema(trx)
        await trx.schema.createSchema(schema).ifNotExists().execute()
      }),
    now: async () => {
      const { rows } = await sql<{ now: number }>`
        select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(db)
      return rows[0]?.now ?? Number.NaN
    },
    close: () => {
      // Waits for the connections that are in use.
      closed ??= db.destroy()
      return closed
    },
  }
}

async function connect(location: PostgresLocation): Promise<Pool> {
  const url = parseUrl(location.url)
  const { Pool, types } = await loadPg()
  const config: PoolConfig = {
    connectionString: location.url,
    max: location.maxConnections ?? 10,
    connectionTimeoutMillis: connectMs,
    idleTimeoutMillis: 30_000,
    query_timeout: statementMs + 5_000,
    statement_timeout: statementMs,
    idle_in_transaction_session_timeout: statementMs,
    keepAlive: true,
    application_name: 'stowage',
    types: {
      getTypeParser: (id: number, format?: 'text' | 'binary') =>
        id === int8 && format !== 'binary' ? Number : types.getTypeParser(id, format as 'text'),
    },
    ...(await tlsOf(url, location)),
  }
  const pool = new Pool(config)
  // A connection that breaks while it waits in the pool, or between two statements of a transaction: the next query finds out by itself,
  // and without a listener the process would end.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** TLS with a checked certificate to any other machine, unless the URL decides. */
async function tlsOf(url: URL, { tls }: PostgresLocation): Promise<Pick<PoolConfig, 'ssl'>> {
  if (tls?.ca !== undefined) {
    try {
      return { ssl: { ca: await readFile(tls.ca, 'utf8') } }
    } catch (cause) {
      throw wrong('tls.ca', 'could not be read', 'Give the path of a PEM file.', cause)
    }
  }
  if (url.searchParams.has('sslmode')) return {}
  const host = url.searchParams.get('host') ?? url.hostname.replace(/^\[|\]$/g, '')
  return host === '' || host.startsWith('/') || isLoopbackHost(host) ? {} : { ssl: true }
}

function parseUrl(text: string): URL {
  const form = 'Write it as postgres://user:password@host:5432/database.'
  if (typeof text !== 'string' || !/^postgres(?:ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw wrong('url', 'is not an address of PostgreSQL', form)
  }
  return new URL(text)
}

/** What is in the schema, as far as this user may see it. */
async function inspect(db: Kysely<CatalogSchema>, schema: string): Promise<number | 'foreign'> {
  const tables = await sql<{ name: string }>`
    select c.relname as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind in ('r', 'p', 'v', 'm')`.execute(db)
  if (tables.rows.length === 0) return 0
  if (!tables.rows.some(({ name }) => name === 'stowage_meta')) return 'foreign'
  const row = await db.selectFrom('stowage_meta').select('value').where('name', '=', 'schema').executeTakeFirst()
  return Number(row?.value ?? 0)
}

/** Loads the driver, an optional peer dependency. @throws StowageError `configuration` that says what to install */
async function loadPg(): Promise<Pick<typeof import('pg'), 'Pool' | 'types'>> {
  try {
    return (await import('pg')).default
  } catch (cause) {
    throw new StowageError('configuration', 'The package pg is missing, which a catalog in PostgreSQL needs.', {
      cause,
      field: 'catalog.type',
      hint: 'Run: npm install pg',
    })
  }
}

/** The text itself is not repeated: it holds a password. */
function wrong(field: string, why: string, hint?: string, cause?: unknown): StowageError {
  return new StowageError('configuration', `The catalog's ${field} ${why}.`, {
    field: `catalog.${field}`,
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}
