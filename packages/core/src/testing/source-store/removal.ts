import { describe, expect, test } from 'vitest'
import { draftOf, publishedDataset } from '../dataset-store/fixtures.ts'
import { expectCode } from '../expect-code.ts'
import { lan, masterKeys, sealedBy, vaultOf } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function removalTests(fresh: Fresh): void {
  describe('removing', () => {
    test('takes the source and its credentials, and may be done again', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const credentials = await sealedBy(vault, 'lan', 'one')
      const made = await store.add({ ...lan, credentials })
      await store.update('lan', { nextCredentials: credentials }, made.revision)
      await store.remove('lan')
      await store.remove('lan')
      expect(await store.get('lan')).toBeUndefined()
      expect(await store.getCredentials('lan')).toBeUndefined()
      expect(await store.listDataKeys({ limit: 9 })).toEqual([])
      const again = await store.add({ id: 'lan', type: 'minio' })
      expect(again).toMatchObject({ hasCredentials: false, hasNextCredentials: false })
      expect(again.revision).not.toBe(made.revision)
      await expectCode(store.update('lan', { priority: 1 }, made.revision), 'conflict')
    })

    test('with a revision, only that one', async () => {
      const { store } = await fresh()
      const made = await store.add(lan)
      const next = await store.setEnabled('lan', false)
      await expectCode(store.remove('lan', made.revision), 'conflict')
      expect(await store.get('lan')).toEqual(next)
      await store.remove('lan', next.revision)
      expect(await store.list()).toEqual([])
    })

    test('is refused while a replica lies on it, in whatever status', async () => {
      const { store, datasets } = await fresh()
      await publishedDataset(datasets)
      const oss = await store.add({ id: 'oss', type: 'oss' })
      await store.add(lan)
      const error = await expectCode(store.remove('oss'), 'unsafe')
      expect(error).toMatchObject({ sourceId: 'oss' })
      expect(error.hint).toMatch(/\S/)
      const replica = { datasetId: 'cats', version: 1, sourceId: 'lan' }
      await datasets.addReplica({ ...replica, path: 'data/cats/', size: 10 })
      await expectCode(store.remove('lan'), 'unsafe')
      for (const status of ['ready', 'error', 'syncing'] as const) {
        await datasets.setReplicaStatus(replica, status)
        await expectCode(store.remove('lan'), 'unsafe')
      }
      await datasets.markReplicaDeleting(replica)
      await expectCode(store.remove('lan'), 'unsafe')
      await datasets.removeReplica(replica)
      await store.remove('lan')
      expect(await store.list()).toEqual([oss])
    })

    test('is refused while an upload goes to it', async () => {
      const { store, datasets } = await fresh()
      await datasets.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
      await store.add({ id: 'oss', type: 'oss' })
      await datasets.createDraft(draftOf('cats', 'd1'))
      await expectCode(store.remove('oss'), 'unsafe')
      await datasets.discardDraft('d1')
      await store.remove('oss')
      expect(await store.list()).toEqual([])
    })
  })
}
