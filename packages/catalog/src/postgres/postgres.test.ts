import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { hasCode, systemClock, systemRandom } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { startPostgres, startProxy, testSecret, until, withPostgres } from '@stowage/test-support'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DatabaseClock } from '../database/index.ts'
import { migrate, schemaVersion } from '../migrations/index.ts'
import { openCatalog } from '../open.ts'
import { openPostgres, type PostgresLocation } from './index.ts'

const anyUrl = `postgres://ada:${testSecret('ada')}@127.0.0.1:1/none`

describe('refuses, without a word of the password:', () => {
  it.each<[string, Partial<PostgresLocation>, string]>([
    ['no address', { url: `mysql://ada:${testSecret('ada')}@db/x` }, 'catalog.url'],
    ['half an address', { url: `postgres://ada:${testSecret('ada')}@:::/x` }, 'catalog.url'],
    ['a schema that would need quotes', { schema: 'My schema"; drop' }, 'catalog.schema'],
    ['certificates that are not there', { tls: { ca: '/nowhere/ca.pem' } }, 'catalog.tls.ca'],
  ])('%s', async (_, part, field) => {
    const error = await expectCode(openCatalog({ type: 'postgres', url: anyUrl, ...part }), 'configuration')
    expect(error.field).toBe(field)
    expect(inspect(error, { depth: null })).not.toContain(testSecret('ada'))
  })

  it('a server that is not there', async () => {
    const error = await expectCode(openCatalog({ type: 'postgres', url: anyUrl }), 'unavailable')
    expect(error.retryable).toBe(true)
    expect(inspect(error, { depth: null })).not.toContain(testSecret('ada'))
  })
})

await withPostgres(({ url }) => {
  const fresh = (): PostgresLocation => ({ type: 'postgres', url, schema: `s_${randomBytes(6).toString('hex')}` })

  async function open(location: PostgresLocation) {
    const catalog = await openCatalog(location)
    onTestFinished(() => catalog.close())
    return catalog
  }

  it('is opened by many at the same time, also a fresh one', async () => {
    const location = fresh()
    const catalogs = await Promise.all(Array.from({ length: 8 }, () => open({ ...location, maxConnections: 2 })))
    const ids = await Promise.all(catalogs.map(({ datasets }) => datasets.catalogId()))
    expect(new Set(ids).size).toBe(1)
    const database = await openPostgres(location)
    expect(await database.inspect()).toBe(schemaVersion)
    await database.close()
    await database.close()
    expect(() => database.db).toThrow(expect.objectContaining({ code: 'invalid-request' }))
  })

  it('leaves a schema of somebody else alone', async () => {
    const location = fresh()
    const client = new pg.Client(url)
    await client.connect()
    await client.query(`create schema ${location.schema}; create table ${location.schema}.cars (id int)`)
    await expectCode(openCatalog(location), 'configuration')
    const { rows } = await client.query('select tablename from pg_tables where schemaname = $1', [location.schema])
    expect(rows).toEqual([{ tablename: 'cars' }])
    await client.end()
  })

  it('stops at a newer schema', async () => {
    const location = fresh()
    await (await openCatalog(location)).close()
    const database = await openPostgres(location)
    onTestFinished(() => database.close())
    await database.db.updateTable('stowage_meta').set({ value: '99' }).where('name', '=', 'schema').execute()
    await expectCode(openCatalog(location), 'newer-format')
    await expectCode(migrate(database, { clock: systemClock, random: systemRandom }), 'newer-format')
  })

  it('tells what is wrong with the database or the user', async () => {
    const missing = new URL(url)
    missing.pathname = '/no_such_database'
    await expectCode(openCatalog({ type: 'postgres', url: missing.href }), 'configuration')
    const stranger = new URL(url)
    stranger.username = 'nobody_known'
    await expectCode(openCatalog({ type: 'postgres', url: stranger.href }), 'access-denied')
    const client = new pg.Client(url)
    await client.connect()
    await client.query('create role reader login; revoke create on database postgres from public')
    stranger.username = 'reader'
    await expectCode(openCatalog({ type: 'postgres', url: stranger.href, schema: 'denied' }), 'access-denied')
    await client.end()
  })

  it('does a transaction again that was rolled back for the sake of another', async () => {
    const catalog = await open(fresh())
    const ids = Array.from({ length: 12 }, (_, i) => `d${i}`)
    await catalog.datasets.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
    const draft = { datasetId: 'cats', sourceId: 's', path: 'p/', baseVersion: 0, author: 'ada' }
    await Promise.all(ids.map((id) => catalog.datasets.createDraft({ ...draft, id })))
    const file = (path: string) => ({ path, key: path, size: 1, digest: 'd' })
    await Promise.all(ids.map((id) => catalog.datasets.putDraftFiles(id, [file('b'), file('a'), file('c')])))
    const published = await Promise.allSettled(
      ids.map((draftId) => catalog.datasets.publish({ draftId, manifest: 'm', size: 3, fileCount: 3, message: '' })),
    )
    expect(published.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const one of published) if (one.status === 'rejected') expect(hasCode(one.reason, 'conflict')).toBe(true)
    expect(await catalog.datasets.listVersions('cats')).toHaveLength(1)
  })

  it('goes by the clock of the database', async () => {
    const database = await openPostgres(fresh())
    onTestFinished(() => database.close())
    const local = { ...systemClock, now: () => Date.now() - 86_400_000 }
    const clock = await DatabaseClock.start(local, database.now as () => Promise<number>)
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(60_000)
    const catalog = await open(fresh())
    expect(Math.abs((await catalog.sync.now()) - Date.now())).toBeLessThan(60_000)
  })

  it('is unavailable while its connections are cut, and itself again afterwards', async () => {
    const target = new URL(url)
    const proxy = await startProxy({ target: `http://${target.host}` })
    const through = new URL(url)
    through.host = new URL(proxy.endpoint).host
    const catalog = await open({ ...fresh(), url: through.href })
    const revision = await catalog.sync.put('k', Buffer.from('one'), null)
    proxy.cutAfter(0, 'down')
    const error = await expectCode(catalog.sync.put('k', Buffer.from('two'), revision), 'unavailable')
    expect(error.retryable).toBe(true)
    proxy.clear()
    // The answer was lost, not what was done: the caller reads, as the port says.
    const found = await catalog.sync.get('k')
    expect(['one', 'two']).toContain(Buffer.from(found?.value ?? []).toString())
  })
})

await withPostgres(() => {
  it('outlives a server that is killed in the middle of writes, and loses none that was acknowledged', async () => {
    await using server = await startPostgres()
    const catalog = await openCatalog({ type: 'postgres', url: server.url })
    onTestFinished(() => catalog.close())
    const acknowledged: string[] = []
    let stop = false
    const writers = [0, 1, 2].map(async (writer) => {
      for (let i = 0; !stop; i++) {
        const key = `w/${writer}/${i}`
        const written = await catalog.sync.put(key, Buffer.from(key), null).then(
          () => true,
          (error) => {
            if (!hasCode(error, 'unavailable')) throw error
            return false
          },
        )
        if (written) acknowledged.push(key)
        else await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    const reach = (count: number) =>
      until(`${count} writes are acknowledged`, () => acknowledged.length >= count, { seen: () => acknowledged.length })
    await reach(50)
    await server.kill()
    const before = acknowledged.length
    await server.restart()
    await reach(before + 50)
    stop = true
    await Promise.all(writers)
    const kept = new Set(await catalog.sync.list('w/'))
    expect(acknowledged.filter((key) => !kept.has(key))).toEqual([])
  })
})
