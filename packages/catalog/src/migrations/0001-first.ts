import type { Kysely } from 'kysely'
import type { CatalogDialect, CatalogSchema } from '../database/index.ts'

/** Records of the sync engine, datasets with their drafts, versions and replicas, and the outbox. */
export async function first(db: Kysely<CatalogSchema>, dialect: CatalogDialect): Promise<void> {
  const { bytes, integer, identity } = dialect.types
  const { usual, clustered } = dialect.tableEnd

  await db.schema
    .createTable('counters')
    .ifNotExists()
    .addColumn('name', 'text', (c) => c.notNull().primaryKey())
    .addColumn('value', integer, (c) => c.notNull())
    .modifyEnd(usual)
    .execute()

  await db.schema
    .createTable('records')
    .ifNotExists()
    .addColumn('key', bytes, (c) => c.notNull().primaryKey())
    .addColumn('value', bytes, (c) => c.notNull())
    .addColumn('revision', integer, (c) => c.notNull())
    .modifyEnd(usual)
    .execute()

  await db.schema
    .createTable('datasets')
    .ifNotExists()
    .addColumn('seq', identity, (c) => dialect.identity(c))
    .addColumn('id', bytes, (c) => c.notNull().unique())
    .addColumn('owner', bytes, (c) => c.notNull())
    .addColumn('name', bytes, (c) => c.notNull())
    .addColumn('user_id', bytes, (c) => c.notNull())
    .addColumn('workspace_id', bytes)
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('tags', 'text', (c) => c.notNull())
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('file_count', integer, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('updated_at', integer, (c) => c.notNull())
    .addUniqueConstraint('datasets_owner_name', ['owner', 'name'])
    .modifyEnd(usual)
    .execute()
  await index(db, 'datasets_name', 'datasets', ['name', 'seq'])
  await index(db, 'datasets_user', 'datasets', ['user_id', 'seq'])
  await index(db, 'datasets_workspace', 'datasets', ['workspace_id', 'seq'])

  await db.schema
    .createTable('drafts')
    .ifNotExists()
    .addColumn('seq', identity, (c) => dialect.identity(c))
    .addColumn('id', bytes, (c) => c.notNull().unique())
    .addColumn('dataset_id', bytes, (c) => c.notNull().references('datasets.id'))
    .addColumn('source_id', bytes, (c) => c.notNull())
    .addColumn('path', bytes, (c) => c.notNull())
    .addColumn('base_version', integer, (c) => c.notNull())
    .addColumn('author', bytes, (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('published_version', integer)
    .addColumn('purged', integer, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('updated_at', integer, (c) => c.notNull())
    .modifyEnd(usual)
    .execute()
  await index(db, 'drafts_dataset', 'drafts', ['dataset_id', 'status', 'seq'])
  await index(db, 'drafts_purged', 'drafts', ['purged', 'status'])

  await db.schema
    .createTable('draft_files')
    .ifNotExists()
    .addColumn('draft_id', bytes, (c) => c.notNull().references('drafts.id'))
    .addColumn('path', bytes, (c) => c.notNull())
    .addColumn('key', bytes, (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addColumn('content_type', 'text')
    .addColumn('fingerprint', 'text')
    .addPrimaryKeyConstraint('draft_files_key', ['draft_id', 'path'])
    .modifyEnd(clustered)
    .execute()

  await db.schema
    .createTable('versions')
    .ifNotExists()
    .addColumn('dataset_id', bytes, (c) => c.notNull().references('datasets.id'))
    .addColumn('number', integer, (c) => c.notNull())
    .addColumn('manifest', 'text', (c) => c.notNull())
    .addColumn('parents', 'text', (c) => c.notNull())
    .addColumn('author', bytes, (c) => c.notNull())
    .addColumn('message', 'text', (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('file_count', integer, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('versions_key', ['dataset_id', 'number'])
    .modifyEnd(clustered)
    .execute()

  await db.schema
    .createTable('replicas')
    .ifNotExists()
    .addColumn('seq', identity, (c) => dialect.identity(c))
    .addColumn('dataset_id', bytes, (c) => c.notNull())
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('source_id', bytes, (c) => c.notNull())
    .addColumn('path', bytes, (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('is_primary', integer, (c) => c.notNull())
    .addColumn('last_sync_at', integer)
    .addColumn('error_message', 'text')
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('updated_at', integer, (c) => c.notNull())
    .addUniqueConstraint('replicas_key', ['dataset_id', 'version', 'source_id'])
    .addForeignKeyConstraint('replicas_version', ['dataset_id', 'version'], 'versions', ['dataset_id', 'number'])
    .modifyEnd(usual)
    .execute()

  await db.schema
    .createTable('outbox')
    .ifNotExists()
    .addColumn('id', identity, (c) => dialect.identity(c))
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('dataset_id', bytes, (c) => c.notNull())
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addColumn('attempts', integer, (c) => c.notNull())
    .addColumn('held_until', integer, (c) => c.notNull())
    .modifyEnd(usual)
    .execute()
}

async function index(
  db: Kysely<CatalogSchema>,
  name: string,
  table: keyof CatalogSchema,
  columns: string[],
): Promise<void> {
  await db.schema.createIndex(name).ifNotExists().on(table).columns(columns).execute()
}
