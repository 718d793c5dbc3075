import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expectCode, FakeClock, seededRandom } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import { schemaVersion } from './migrations/index.ts'
import { type CatalogLocation, type CatalogOptions, type OpenCatalog, openCatalog } from './open.ts'

async function opened(location: CatalogLocation, options?: CatalogOptions): Promise<OpenCatalog> {
  const catalog = await openCatalog(location, options)
  onTestFinished(() => catalog.close())
  return catalog
}

function edit(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

test('makes the file and its folders, for nobody else to read', async () => {
  const path = join(tempDir('catalog'), 'some', 'folder', 'catalog.db')
  await opened({ type: 'sqlite', path })
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('a path is a path, also one that SQLite would take for something else', async () => {
  const folder = tempDir('catalog')
  for (const name of ['file:a?mode=memory', ':memory:', 'a b%20c', '猫.db']) {
    const first = await openCatalog({ type: 'sqlite', path: join(folder, name) })
    const id = await first.datasets.catalogId()
    await first.close()
    const again = await opened({ type: 'sqlite', path: join(folder, name) })
    expect(await again.datasets.catalogId()).toBe(id)
    expect(statSync(join(folder, name)).size).toBeGreaterThan(0)
  }
})

test('takes time and chance from its options', async () => {
  const clock = new FakeClock()
  const a = await opened({ type: 'memory' }, { clock, random: seededRandom(1) })
  const b = await opened({ type: 'memory' }, { clock, random: seededRandom(1) })
  expect(await a.datasets.catalogId()).toBe(await b.datasets.catalogId())
  expect(await a.sync.now()).toBe(clock.now())
  await clock.advance(5)
  expect(await a.sync.now()).toBe(clock.now())
})

test('a file that is not a database is refused and stays as it is', async () => {
  const path = join(tempDir('catalog'), 'notes.txt')
  writeFileSync(path, 'notes '.repeat(1000))
  const error = await expectCode(openCatalog({ type: 'sqlite', path }), 'configuration')
  expect(error).toMatchObject({ field: 'catalog.path', retryable: false })
  expect(error.message).toContain(path)
  expect(readFileSync(path, 'utf8')).toBe('notes '.repeat(1000))
})

test('a folder, or a path below a file, is refused', async () => {
  const folder = tempDir('catalog')
  mkdirSync(join(folder, 'folder'))
  writeFileSync(join(folder, 'file'), '')
  await expectCode(openCatalog({ type: 'sqlite', path: join(folder, 'folder') }), 'configuration')
  await expectCode(openCatalog({ type: 'sqlite', path: join(folder, 'file', 'catalog.db') }), 'configuration')
  await expectCode(openCatalog({ type: 'sqlite', path: 'a\0b' }), 'configuration')
  await expectCode(openCatalog({ type: 'sqlite', path: '' }), 'configuration')
  await expectCode(openCatalog({ type: 'mongo' } as unknown as CatalogLocation), 'configuration')
})

test('a database of another program is refused and stays as it is', async () => {
  const path = join(tempDir('catalog'), 'other.db')
  edit(path, 'create table songs(title text); insert into songs values(1)')
  const before = readFileSync(path)
  await expectCode(openCatalog({ type: 'sqlite', path }), 'configuration')
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('a catalog of a newer version is refused and stays as it is', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  await (await openCatalog({ type: 'sqlite', path })).close()
  edit(
    path,
    `update stowage_meta set value = '${schemaVersion + 1}' where name = 'schema'; pragma journal_mode = delete`,
  )
  const before = readFileSync(path)
  const error = await expectCode(openCatalog({ type: 'sqlite', path }), 'newer-format')
  expect(error.hint).toMatch(/upgrade/i)
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('an empty file becomes a catalog', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  writeFileSync(path, '')
  const catalog = await opened({ type: 'sqlite', path })
  expect(await catalog.datasets.listDatasets()).toEqual([])
})

test('two catalogs in one process see each other’s writes', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const [a, b] = await Promise.all([opened({ type: 'sqlite', path }), opened({ type: 'sqlite', path })])
  expect(await a.datasets.catalogId()).toBe(await b.datasets.catalogId())
  const revision = await a.sync.put('k', Buffer.from('a'), null)
  expect(await b.sync.get('k')).toMatchObject({ revision })
  await expectCode(b.sync.put('k', Buffer.from('b'), null), 'conflict')
  await b.sync.put('k', Buffer.from('b'), revision)
  await expectCode(a.sync.put('k', Buffer.from('a'), revision), 'conflict')
})

test('the database closes with the last store, or with the catalog, and says so afterwards', async () => {
  const catalog = await openCatalog({ type: 'memory' })
  await catalog.sync.close()
  await catalog.sync.close()
  expect(await catalog.datasets.listDatasets()).toEqual([])
  await catalog.datasets.close()
  expect(await catalog.sources.list()).toEqual([])
  await catalog.sources.close()
  await expectCode(catalog.sources.list(), 'invalid-request')
  await expectCode(catalog.datasets.listDatasets(), 'invalid-request')
  await expectCode(catalog.sync.put('k', Buffer.from('a'), null), 'invalid-request')
  await catalog.close()
})

test('what was begun before closing is finished', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const catalog = await openCatalog({ type: 'sqlite', path })
  const writes = Array.from({ length: 20 }, (_, i) => catalog.sync.put(`k/${i}`, Buffer.from('x'), null))
  const [results] = await Promise.all([Promise.allSettled(writes), catalog.close()])
  expect(results.filter(({ status }) => status === 'rejected')).toEqual([])
  const again = await opened({ type: 'sqlite', path })
  expect(await again.sync.list('k/')).toHaveLength(20)
})
