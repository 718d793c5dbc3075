import type { Kysely } from 'kysely'
import type { CatalogDialect, CatalogSchema } from '../database/index.ts'

/** Sources with sealed credentials, and finding what lies on a source. */
export async function sources(db: Kysely<CatalogSchema>, dialect: CatalogDialect): Promise<void> {
  const { bytes, integer, number } = dialect.types
  const { usual, clustered } = dialect.tableEnd

  await db.schema
    .createTable('sources')
    .ifNotExists()
    .addColumn('id', bytes, (c) => c.notNull().primaryKey())
    .addColumn('name', bytes, (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('endpoint', 'text')
    .addColumn('bucket', bytes)
    .addColumn('region', 'text')
    .addColumn('is_public', integer, (c) => c.notNull())
    .addColumn('priority', integer, (c) => c.notNull())
    .addColumn('weight', number, (c) => c.notNull())
    .addColumn('enabled', integer, (c) => c.notNull())
    .addColumn('options', 'text', (c) => c.notNull())
    .addColumn('last_health_check_at', integer)
    .addColumn('change', integer, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('updated_at', integer, (c) => c.notNull())
    .modifyEnd(usual)
    .execute()
  await db.schema.createIndex('sources_change').ifNotExists().on('sources').columns(['change']).execute()

  await db.schema
    .createTable('source_credentials')
    .ifNotExists()
    .addColumn('source_id', bytes, (c) => c.notNull().references('sources.id'))
    .addColumn('slot', 'text', (c) => c.notNull())
    .addColumn('data_key', bytes, (c) => c.notNull())
    .addColumn('access_key', bytes)
    .addColumn('secret_key', bytes)
    .addColumn('session_token', bytes)
    .addPrimaryKeyConstraint('source_credentials_key', ['source_id', 'slot'])
    .modifyEnd(clustered)
    .execute()

  await db.schema
    .createTable('removed_sources')
    .ifNotExists()
    .addColumn('id', bytes, (c) => c.notNull().primaryKey())
    .addColumn('change', integer, (c) => c.notNull())
    .modifyEnd(usual)
    .execute()

  await db.schema.createIndex('replicas_source').ifNotExists().on('replicas').columns(['source_id', 'seq']).execute()
  await db.schema.createIndex('drafts_source').ifNotExists().on('drafts').columns(['source_id', 'status']).execute()
}
