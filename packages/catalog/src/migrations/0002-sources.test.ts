import { join } from 'node:path'
import { systemClock, systemRandom } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import type { CatalogDatabase } from '../database/index.ts'
import { SqlDatasetStore } from '../dataset-store/index.ts'
import { openCatalog } from '../open.ts'
import { openSqlite } from '../sqlite/index.ts'
import { SqlSyncStore } from '../sync-store/index.ts'
import { type Migration, migrate, migrations } from './migrate.ts'

const chance = { clock: systemClock, random: systemRandom }

async function everything(datasets: SqlDatasetStore | Awaited<ReturnType<typeof openCatalog>>['datasets']) {
  return {
    id: await datasets.catalogId(),
    datasets: await datasets.listDatasets(),
    versions: await datasets.listVersions('cats'),
    replicas: await datasets.listReplicas('cats'),
    drafts: await datasets.listDrafts('cats'),
    files: await datasets.listDraftFiles('open'),
  }
}

/** Publishes draft `d1` and begins a copy of it on `lan`, as version 1 wrote that. */
async function publishedThen({ db }: CatalogDatabase, now: number): Promise<void> {
  const [cats, draft] = [Buffer.from('cats'), Buffer.from('d1')]
  const times = { created_at: now, updated_at: now }
  const version = { dataset_id: cats, manifest: 'm', parents: '[]', author: Buffer.from('ada'), message: '', size: 1 }
  await db
    .insertInto('versions')
    .values({ ...version, number: 1, file_count: 1, created_at: now })
    .execute()
  for (const [source, status, is_primary] of [['oss', 'ready', 1] as const, ['lan', 'syncing', 0] as const]) {
    const replica = { dataset_id: cats, version: 1, source_id: Buffer.from(source), path: Buffer.from('p/'), size: 1 }
    await db
      .insertInto('replicas')
      .values({ ...replica, ...times, status, is_primary, last_sync_at: null, error_message: null })
      .execute()
  }
  await db
    .insertInto('outbox')
    .values({ kind: 'dataset.published', dataset_id: cats, version: 1, created_at: now, attempts: 0, held_until: 0 })
    .execute()
  await db.updateTable('datasets').set({ version: 1, size: 1, file_count: 1 }).execute()
  await db.updateTable('drafts').set({ status: 'published', published_version: 1 }).where('id', '=', draft).execute()
}

test('a catalog of version 1 with data becomes one of version 2 with the same data', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const old = openSqlite(path)
  await migrate(old, chance, { 1: migrations[1] as Migration })
  expect(await old.inspect()).toBe(1)
  const clock = new FakeClock()
  const datasets = new SqlDatasetStore(old, clock, async () => {})
  const sync = new SqlSyncStore(old, clock, async () => {})
  await datasets.createDataset({ id: 'cats', name: 'cats 猫', userId: 'ada', tags: ['x'] })
  await datasets.createDraft({
    id: 'd1',
    datasetId: 'cats',
    sourceId: 'oss',
    path: 'p/',
    baseVersion: 0,
    author: 'ada',
  })
  await publishedThen(old, clock.now())
  await datasets.createDraft({
    id: 'open',
    datasetId: 'cats',
    sourceId: 'lan',
    path: 'p/',
    baseVersion: 1,
    author: 'ada',
  })
  await datasets.putDraftFiles('open', [{ path: 'a', key: 'open/a', size: 1, digest: 'd' }])
  const revision = await sync.put('k', Buffer.from('v'), null)
  const before = await everything(datasets)
  await old.close()

  const catalog = await openCatalog({ type: 'sqlite', path }, { clock })
  onTestFinished(() => catalog.close())
  expect(await everything(catalog.datasets)).toEqual(before)
  expect(await catalog.sync.get('k')).toMatchObject({ revision })
  expect(await catalog.sync.put('k', Buffer.from('w'), revision)).not.toBe(revision)
  expect(await catalog.datasets.takeOutbox(9, 1000)).toMatchObject([{ datasetId: 'cats', version: 1 }])
  // Sources that were in a configuration file until now are held by what lies on them.
  expect(await catalog.sources.changes()).toMatchObject({ whole: true, changed: [] })
  await catalog.sources.add({ id: 'oss', type: 'oss' })
  await expectCode(catalog.sources.remove('oss'), 'unsafe')
})

test('an upgrade that is cut off leaves version 1 as it was, and the next one does it', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const database = openSqlite(path)
  onTestFinished(() => database.close())
  await migrate(database, chance, { 1: migrations[1] as Migration })
  const cut: Migration = async (db, dialect) => {
    await migrations[2]?.(db, dialect)
    throw new Error('killed')
  }
  await expect(migrate(database, chance, { 1: migrations[1] as Migration, 2: cut })).rejects.toThrow('killed')
  expect(await database.inspect()).toBe(1)
  await expect(database.db.selectFrom('sources').selectAll().execute()).rejects.toThrow()
  const catalog = await openCatalog({ type: 'sqlite', path })
  expect(await catalog.sources.list()).toEqual([])
  await catalog.close()
})
