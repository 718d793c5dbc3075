import { systemClock, systemRandom } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { CatalogDatabase } from '../database/index.ts'
import { openSqlite } from '../sqlite/index.ts'
import { type Migration, migrate, migrations, schemaVersion } from './migrate.ts'

const chance = { clock: systemClock, random: systemRandom }

function open(): CatalogDatabase {
  const database = openSqlite()
  onTestFinished(() => database.close())
  return database
}

async function meta({ db }: CatalogDatabase): Promise<Record<string, string>> {
  const rows = await db.selectFrom('stowage_meta').selectAll().execute()
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

test('versions are numbered from 1 without gaps', () => {
  expect(Object.keys(migrations).map(Number)).toEqual(Array.from({ length: schemaVersion }, (_, i) => i + 1))
})

test('each step runs once, in order, and the identity stays', async () => {
  const database = open()
  const ran: number[] = []
  const step =
    (version: number): Migration =>
    async () => {
      ran.push(version)
    }
  await migrate(database, chance, { 1: step(1), 2: step(2) })
  const { id } = await meta(database)
  await migrate(database, chance, { 1: step(1), 2: step(2), 3: step(3) })
  await migrate(database, chance, { 1: step(1), 2: step(2), 3: step(3) })
  expect(ran).toEqual([1, 2, 3])
  expect(await meta(database)).toEqual({ id, schema: '3' })
})

test('a step that fails leaves nothing of itself, and the next start goes on with it', async () => {
  const database = open()
  const makes: Migration = async (db) => {
    await db.schema.createTable('extra').addColumn('x', 'integer').execute()
  }
  const fails: Migration = async (db, dialect) => {
    await makes(db, dialect)
    throw new Error('out of luck')
  }
  await migrate(database, chance, { 1: async () => {} })
  await expect(migrate(database, chance, { 1: async () => {}, 2: fails })).rejects.toThrow('out of luck')
  expect(await meta(database)).toMatchObject({ schema: '1' })
  await migrate(database, chance, { 1: async () => {}, 2: makes })
  expect(await meta(database)).toMatchObject({ schema: '2' })
})

test('a new database gets all steps or none', async () => {
  const database = open()
  const fails: Migration = async () => {
    throw new Error('out of luck')
  }
  await expect(migrate(database, chance, { 1: migrations[1] as Migration, 2: fails })).rejects.toThrow('out of luck')
  expect(await database.inspect()).toBe(0)
  await migrate(database, chance)
  expect(await meta(database)).toMatchObject({ schema: String(schemaVersion) })
})

test('every step can run again on what it made', async () => {
  const database = open()
  await migrate(database, chance)
  for (const step of Object.values(migrations)) await step(database.db, database.dialect)
})

test('an older program stops at a newer schema', async () => {
  const database = open()
  await migrate(database, chance, { 1: async () => {}, 2: async () => {} })
  const error = await expectCode(migrate(database, chance, { 1: async () => {} }), 'newer-format')
  expect(error.message).toContain('2')
})
