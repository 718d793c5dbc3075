import { systemRandom } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../migrations/index.ts'
import { openSqlite } from '../sqlite/index.ts'
import { SqlDatasetStore } from './store.ts'

test('rows of closed drafts go, also those that a crash left behind, and open drafts keep theirs', async () => {
  const clock = new FakeClock()
  const database = openSqlite()
  onTestFinished(() => database.close())
  await migrate(database, { clock, random: systemRandom })
  const store = new SqlDatasetStore(database, clock, async () => {})
  await store.createDataset({ id: 'd', name: 'd', userId: 'u' })
  for (const id of ['left', 'open', 'published']) {
    await store.createDraft({ id, datasetId: 'd', sourceId: 's', path: 'd/', baseVersion: 0, author: 'u' })
    const files = Array.from({ length: 6000 }, (_, i) => ({ path: `${i}`, key: `${id}/${i}`, size: 1, digest: 'x' }))
    await store.putDraftFiles(id, files)
  }
  // As a crash right after the transaction that closed it would leave it.
  await database.db.updateTable('drafts').set({ status: 'discarded' }).where('id', '=', Buffer.from('left')).execute()
  expect(await store.listDraftFiles('left')).toEqual([])

  await store.publish({ draftId: 'published', manifest: 'm', size: 1, fileCount: 1, message: '' })
  const rows = await database.db.selectFrom('draft_files').select('draft_id').distinct().execute()
  expect(rows.map((row) => Buffer.from(row.draft_id).toString())).toEqual(['open'])
  expect(await store.listDraftFiles('open')).toHaveLength(6000)
  const unpurged = await database.db.selectFrom('drafts').select('id').where('purged', '=', 0).execute()
  expect(unpurged).toHaveLength(1)
})
