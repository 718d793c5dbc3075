import { type Clock, type Random, StowageError } from '@stowage/core'
import type { Kysely } from 'kysely'
import type { CatalogDatabase, CatalogDialect, CatalogSchema } from '../database/index.ts'
import { first } from './0001-first.ts'
import { sources } from './0002-sources.ts'
import { damage } from './0003-damage.ts'
import { replicaUses } from './0004-replica-uses.ts'

/** One step of the schema. It can run again on what an earlier run of it left behind. */
export type Migration = (db: Kysely<CatalogSchema>, dialect: CatalogDialect) => Promise<void>

/**
 * Every step by the version it leads to, from 1 without gaps. A record in code, since reading a folder breaks under bundlers.
 * A step that was released never changes.
 */
export const migrations: Record<number, Migration> = { 1: first, 2: sources, 3: damage, 4: replicaUses }

/** The schema's version that this code reads and writes. */
export const schemaVersion: number = Object.keys(migrations).length

/**
 * Brings a database up to {@link schemaVersion}. Each step is a transaction of its own that holds the write lock and looks at the version
 * again, so that any number of processes can do this at the same time. A new database gets all of them in one, which has the disk wait once.
 * @throws StowageError `newer-format` when a newer version wrote it, `configuration` when it belongs to another program; it was not touched
 */
export async function migrate(
  database: CatalogDatabase,
  chance: { clock: Clock; random: Random },
  steps: Record<number, Migration> = migrations,
): Promise<void> {
  const target = Object.keys(steps).length
  const found = await database.inspect()
  if (found === 'foreign') {
    throw new StowageError('configuration', 'The catalog is a database of another program.', {
      field: 'catalog',
      hint: 'Give the path of a file that does not exist yet, or of a catalog; in PostgreSQL, a schema of its own.',
    })
  }
  refuseNewer(found, target)
  await database.prepare()
  while (await step(database, steps, target, chance)) {
    // One step after the other until none is left.
  }
}

function refuseNewer(version: number, target: number): void {
  if (version <= target) return
  const message = `The catalog has schema version ${version}; this version of Stowage knows ${target}.`
  throw new StowageError('newer-format', message, { hint: 'Upgrade Stowage on this machine.' })
}

/** Runs the next step, or all of them where there was none yet. Returns whether there may be another one. */
async function step(
  { db, dialect }: CatalogDatabase,
  steps: Record<number, Migration>,
  target: number,
  { clock, random }: { clock: Clock; random: Random },
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    await dialect.lockSchema?.(trx)
    await trx.schema
      .createTable('stowage_meta')
      .ifNotExists()
      .addColumn('name', 'text', (c) => c.notNull().primaryKey())
      .addColumn('value', 'text', (c) => c.notNull())
      .modifyEnd(dialect.tableEnd.usual)
      .execute()
    const row = await trx.selectFrom('stowage_meta').select('value').where('name', '=', 'schema').executeTakeFirst()
    const version = Number(row?.value ?? 0)
    // Somebody newer may have come between our look at it and our lock.
    refuseNewer(version, target)
    const until = version === 0 ? target : Math.min(version + 1, target)
    if (version >= until) return false
    for (let number = version + 1; number <= until; number++) await steps[number]?.(trx, dialect)
    if (version === 0)
      await trx
        .insertInto('stowage_meta')
        .values({ name: 'id', value: random.id(clock.now()) })
        .execute()
    await trx
      .insertInto('stowage_meta')
      .values({ name: 'schema', value: String(until) })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: String(until) }))
      .execute()
    return until < target
  })
}
