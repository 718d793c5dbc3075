import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { Kysely, sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { kyselyDialect } from './dialect.ts'

interface Tables {
  t: { id: number; value: unknown }
}

function open(path = ':memory:', options: ConstructorParameters<typeof DatabaseSync>[1] = {}): Kysely<Tables> {
  const db = new Kysely<Tables>({ dialect: kyselyDialect(new DatabaseSync(path, options)) })
  onTestFinished(() => db.destroy())
  return db
}

async function withTable(path?: string): Promise<Kysely<Tables>> {
  const db = open(path)
  await sql`create table if not exists t(id integer primary key, value any) strict`.execute(db)
  return db
}

test.for([
  ['a date that comes first', new Date(1234), 1234],
  ['true', true, 1],
  ['false', false, 0],
  ['null', null, null],
  ['undefined', undefined, null],
  ['a large whole number', 2 ** 53 - 1, 2 ** 53 - 1],
  ['text with NUL', 'a\0b', 'a\0b'],
  ['emoji', '😀', '😀'],
] as const)('takes %s as a parameter', async ([, given, found]) => {
  const db = await withTable()
  await sql`insert into t(value, id) values (${given}, 1)`.execute(db)
  expect(await db.selectFrom('t').selectAll().execute()).toMatchObject([{ id: 1, value: found }])
})

test('bytes come back as bytes', async () => {
  const db = await withTable()
  const value = Uint8Array.from([0, 255, 128])
  await db.insertInto('t').values({ id: 1, value }).execute()
  const row = await db.selectFrom('t').select('value').executeTakeFirstOrThrow()
  expect(Buffer.from(row.value as Uint8Array)).toEqual(Buffer.from(value))
})

test('says what was changed, and returns rows of a write that asks for them', async () => {
  const db = await withTable()
  const inserted = await db
    .insertInto('t')
    .values([
      { id: 5, value: 1 },
      { id: 6, value: 1 },
    ])
    .executeTakeFirst()
  expect(inserted).toMatchObject({ insertId: 6n, numInsertedOrUpdatedRows: 2n })
  expect(await db.updateTable('t').set({ value: 2 }).where('id', '=', 5).executeTakeFirst()).toMatchObject({
    numUpdatedRows: 1n,
  })
  expect(await db.deleteFrom('t').where('id', '=', 5).returning('value').execute()).toMatchObject([{ value: 2 }])
})

test('one transaction at a time, and a failed one leaves nothing', async () => {
  const db = await withTable()
  const order: string[] = []
  const work = (name: string, id: number) =>
    db.transaction().execute(async (trx) => {
      order.push(`${name} begins`)
      await trx.insertInto('t').values({ id, value: name }).execute()
      await new Promise((resolve) => setImmediate(resolve))
      order.push(`${name} ends`)
      if (name === 'b') throw new Error('no')
    })
  const results = await Promise.allSettled([work('a', 1), work('b', 2), work('c', 3)])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  expect((await db.selectFrom('t').select('value').orderBy('id').execute()).map(({ value }) => value)).toEqual([
    'a',
    'c',
  ])
})

test('waits for another process’s write without stopping this one', async () => {
  const path = join(tempDir('sqlite'), 'x.db')
  const db = await withTable(path)
  const other = new DatabaseSync(path)
  onTestFinished(() => other.close())
  other.exec('begin immediate')
  const single = db.insertInto('t').values({ id: 1, value: 1 }).execute()
  const transaction = db.transaction().execute((trx) => trx.insertInto('t').values({ id: 2, value: 2 }).execute())
  let turns = 0
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      if (++turns < 50) setImmediate(turn)
      else resolve()
    }
    turn()
  })
  other.exec('commit')
  await Promise.all([single, transaction])
  expect(await db.selectFrom('t').select('id').execute()).toHaveLength(2)
})

test('a transaction that SQLite rolled back by itself fails with its own error', async () => {
  const db = await withTable()
  await sql`pragma max_page_count = 4`.execute(db)
  const filling = db.transaction().execute((trx) =>
    trx
      .insertInto('t')
      .values({ id: 1, value: new Uint8Array(100_000) })
      .execute(),
  )
  await expectCode(filling, 'no-space')
  expect(await db.selectFrom('t').select('id').execute()).toEqual([])
})

test('refuses to stream, to hold its connection that long', async () => {
  const db = await withTable()
  const rows = async () => {
    for await (const _row of db.selectFrom('t').selectAll().stream()) break
  }
  await expectCode(rows(), 'not-supported')
})

test('names the errors of constraints and of read-only files', async () => {
  const path = join(tempDir('sqlite'), 'x.db')
  const db = await withTable(path)
  await db.insertInto('t').values({ id: 1, value: 'secret words' }).execute()
  const error = await expectCode(db.insertInto('t').values({ id: 1, value: 'secret words' }).execute(), 'conflict')
  expect(error.message).not.toContain('secret')
  const reader = open(path, { readOnly: true })
  await expectCode(reader.insertInto('t').values({ id: 2, value: 1 }).execute(), 'access-denied')
})
