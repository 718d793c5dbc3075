import type { Kysely } from 'kysely'
import type { CatalogDialect, CatalogSchema } from '../database/index.ts'

/** How replicas are used, what versions share, pins, and replicas on their way out. */
export async function replicaUses(db: Kysely<CatalogSchema>, dialect: CatalogDialect): Promise<void> {
  const { bytes, integer } = dialect.types
  const { clustered } = dialect.tableEnd

  await db.schema
    .createTable('version_parts')
    .ifNotExists()
    .addColumn('dataset_id', bytes, (c) => c.notNull())
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('draft', bytes, (c) => c.notNull())
    .addColumn('size', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('version_parts_key', ['dataset_id', 'version', 'draft'])
    .modifyEnd(clustered)
    .execute()

  await db.schema
    .createTable('replica_uses')
    .ifNotExists()
    .addColumn('dataset_id', bytes, (c) => c.notNull())
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('source_id', bytes, (c) => c.notNull())
    .addColumn('used_at', integer, (c) => c.notNull())
    .addColumn('held_until', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('replica_uses_key', ['dataset_id', 'version', 'source_id'])
    .modifyEnd(clustered)
    .execute()

  await db.schema
    .createTable('removals')
    .ifNotExists()
    .addColumn('dataset_id', bytes, (c) => c.notNull())
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('source_id', bytes, (c) => c.notNull())
    .addColumn('marked_at', integer, (c) => c.notNull())
    .addColumn('not_before', integer, (c) => c.notNull())
    .addColumn('begun', integer, (c) => c.notNull())
    .addColumn('unless_pinned', integer, (c) => c.notNull())
    .addColumn('status_before', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('removals_key', ['dataset_id', 'version', 'source_id'])
    .modifyEnd(clustered)
    .execute()

  // A version of 0 means all of them, a source of no bytes every one: columns of a key are never null.
  await db.schema
    .createTable('pins')
    .ifNotExists()
    .addColumn('dataset_id', bytes, (c) => c.notNull().references('datasets.id'))
    .addColumn('version', integer, (c) => c.notNull())
    .addColumn('source_id', bytes, (c) => c.notNull())
    .addColumn('pinned_by', bytes, (c) => c.notNull())
    .addColumn('created_at', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('pins_key', ['dataset_id', 'version', 'source_id'])
    .modifyEnd(clustered)
    .execute()
}
