import type { Kysely } from 'kysely'
import type { CatalogDialect, CatalogSchema } from '../database/index.ts'

/** Objects of replicas that were found bad. */
export async function damage(db: Kysely<CatalogSchema>, dialect: CatalogDialect): Promise<void> {
  const { bytes, integer } = dialect.types
  await db.schema
    .createTable('damage')
    .ifNotExists()
    .addColumn('dataset_id', bytes, (c) => c.notNull().references('datasets.id'))
    .addColumn('source_id', bytes, (c) => c.notNull())
    .addColumn('key', bytes, (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('blocks', 'text', (c) => c.notNull())
    .addColumn('message', 'text', (c) => c.notNull())
    .addColumn('found_at', integer, (c) => c.notNull())
    .addColumn('found', integer, (c) => c.notNull())
    .addPrimaryKeyConstraint('damage_key', ['dataset_id', 'source_id', 'key'])
    .modifyEnd(dialect.tableEnd.clustered)
    .execute()
}
