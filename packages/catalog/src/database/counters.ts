import type { Kysely } from 'kysely'
import type { CatalogSchema } from './schema.ts'

/**
 * Counts up and returns the new value, from 1; never the same value twice. The counter's row stays locked until the transaction ends,
 * so that values are committed in the order in which they were given.
 */
export async function nextCount(trx: Kysely<CatalogSchema>, name: string): Promise<number> {
  const row = await trx
    .insertInto('counters')
    .values({ name, value: 1 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet((eb) => ({ value: eb('counters.value', '+', 1) })))
    .returning('value')
    .executeTakeFirstOrThrow()
  return row.value
}

/** The last value that {@link nextCount} gave, 0 before the first. */
export async function counted(db: Kysely<CatalogSchema>, name: string): Promise<number> {
  const row = await db.selectFrom('counters').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value ?? 0
}
