import { describe, expect, test } from 'vitest'
import type { DatasetStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

const oss = { datasetId: 'cats', version: 1, sourceId: 'oss' }
const lan = { datasetId: 'cats', version: 1, sourceId: 'lan' }

function add(store: DatasetStore, replica: typeof lan): ReturnType<DatasetStore['addReplica']> {
  return store.addReplica({ ...replica, path: 'train/cats/', size: 10 })
}

export function replicaTests(fresh: Fresh): void {
  describe('replicas', () => {
    test('a new one is syncing, and adding it again changes nothing', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const made = await add(store, lan)
      expect(made).toEqual({
        ...lan,
        path: 'train/cats/',
        size: 10,
        status: 'syncing',
        isPrimary: false,
        createdAt: clock.now(),
        updatedAt: clock.now(),
      })
      await store.setReplicaStatus(lan, 'ready')
      await clock.advance(5)
      expect(await store.addReplica({ ...lan, path: 'elsewhere/', size: 99 })).toMatchObject({
        status: 'ready',
        path: 'train/cats/',
        size: 10,
      })
      expect(await add(store, oss)).toMatchObject({ status: 'ready', isPrimary: true })
    })

    test('belongs to a version that exists', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await expectCode(add(store, { ...lan, version: 2 }), 'not-found')
      await expectCode(add(store, { ...lan, datasetId: 'dogs' }), 'not-found')
      expect(await store.listReplicas('cats')).toHaveLength(1)
      expect(await store.listReplicas('dogs')).toEqual([])
    })

    test('ready sets the time of the sync; an error keeps its message until it is over', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      await add(store, lan)
      await clock.advance(10)
      const readyAt = clock.now()
      expect(await store.setReplicaStatus(lan, 'ready')).toMatchObject({
        status: 'ready',
        lastSyncAt: readyAt,
        updatedAt: readyAt,
      })
      await clock.advance(10)
      const failed = await store.setReplicaStatus(lan, 'error', 'the disk is full')
      expect(failed).toMatchObject({ status: 'error', errorMessage: 'the disk is full', lastSyncAt: readyAt })
      expect(await store.setReplicaStatus(lan, 'error', 'another')).toMatchObject({ errorMessage: 'another' })
      const again = await store.setReplicaStatus(lan, 'syncing')
      expect(again).toMatchObject({ status: 'syncing', lastSyncAt: readyAt })
      expect(again).not.toHaveProperty('errorMessage')
      expect((await store.listReplicas('cats', 1))[1]).toEqual(again)
    })

    test('changes only what exists', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await expectCode(store.setReplicaStatus(lan, 'ready'), 'not-found')
      await expectCode(store.setReplicaStatus({ ...oss, version: 2 }, 'ready'), 'not-found')
      await expectCode(store.setReplicaStatus({ ...oss, sourceId: 'OSS' }, 'ready'), 'not-found')
      await expectCode(store.markReplicaDeleting(lan), 'not-found')
    })

    test('lists the primary first, of one version or of all', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await add(store, { ...lan, sourceId: 'a' })
      await add(store, lan)
      await add(store, { ...lan, version: 2 })
      const listed = async (version?: number) =>
        (await store.listReplicas('cats', version)).map((replica) => `${replica.sourceId} ${replica.version}`)
      expect(await listed(1)).toEqual(['oss 1', 'a 1', 'lan 1'])
      expect(await listed(2)).toEqual(['oss 2', 'lan 2'])
      expect(await listed(3)).toEqual([])
      const all = await store.listReplicas('cats')
      expect(all).toHaveLength(5)
      expect(all.map(({ isPrimary }) => isPrimary)).toEqual([true, true, false, false, false])
    })

    test('the last ready one is never marked for deletion', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
      await add(store, lan)
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
      await store.setReplicaStatus(lan, 'error', 'broken')
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
      // A ready replica of another version is no copy of this one.
      await add(store, { ...lan, version: 2 })
      await store.setReplicaStatus({ ...lan, version: 2 }, 'ready')
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
      await store.setReplicaStatus(lan, 'ready')
      expect(await store.markReplicaDeleting(oss)).toMatchObject({ status: 'deleting', isPrimary: true })
      await expectCode(store.markReplicaDeleting(lan), 'unsafe')
    })

    test('of two that are marked at once, one stays', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      for (let round = 0; round < 5; round++) {
        const other = { ...lan, sourceId: `lan-${round}` }
        await add(store, other)
        await store.setReplicaStatus(other, 'ready')
        const ready = (await store.listReplicas('cats', 1)).filter(({ status }) => status === 'ready')
        expect(ready).toHaveLength(2)
        const results = await Promise.allSettled(ready.map((replica) => store.markReplicaDeleting(replica)))
        expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
        const lost = results.find((result) => result.status === 'rejected')
        expect(lost?.reason).toMatchObject({ code: 'unsafe' })
        expect((await store.listReplicas('cats', 1)).filter(({ status }) => status === 'ready')).toHaveLength(1)
      }
    })

    test('what is not ready may go while another is ready, and not when none is', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await add(store, lan)
      expect(await store.markReplicaDeleting(lan)).toMatchObject({ status: 'deleting' })
      await store.setReplicaStatus(oss, 'error', 'a checksum did not match')
      // Damaged as it is, it may be all there is to mend from.
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
    })

    test('one that is being deleted does not come back, and marking it again changes nothing', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await add(store, lan)
      const marked = await store.markReplicaDeleting(lan)
      expect(await store.markReplicaDeleting(lan)).toEqual(marked)
      for (const status of ['ready', 'syncing', 'error'] as const) {
        await expectCode(store.setReplicaStatus(lan, status), 'conflict')
      }
      expect(await add(store, lan)).toMatchObject({ status: 'deleting' })
    })

    test('is forgotten only after it was marked, and may then be added again', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await add(store, lan)
      await expectCode(store.removeReplica(lan), 'conflict')
      await store.markReplicaDeleting(lan)
      await store.removeReplica(lan)
      expect(await store.listReplicas('cats', 1)).toHaveLength(1)
      // The answer to the first call may have been lost.
      await store.removeReplica(lan)
      expect(await add(store, lan)).toMatchObject({ status: 'syncing' })
    })
  })
}
