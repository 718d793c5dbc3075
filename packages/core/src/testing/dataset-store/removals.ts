import { describe, expect, test } from 'vitest'
import type { DatasetStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { draftOf, publicationOf, publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

const oss = { datasetId: 'cats', version: 1, sourceId: 'oss' }
const lan = { datasetId: 'cats', version: 1, sourceId: 'lan' }
const far = { datasetId: 'cats', version: 1, sourceId: 'far' }

async function copy(store: DatasetStore, replica: typeof lan): Promise<void> {
  await store.addReplica({ ...replica, path: 'train/cats/', size: 10 })
  await store.setReplicaStatus(replica, 'ready')
}

async function statusOf(
  store: DatasetStore,
  { datasetId, version, sourceId }: typeof lan,
): Promise<string | undefined> {
  return (await store.listReplicas(datasetId, version)).find((replica) => replica.sourceId === sourceId)?.status
}

export function removalTests(fresh: Fresh): void {
  describe('removals', () => {
    test('the bytes of a marked replica stay for the grace that was asked for', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      const markedAt = clock.now()
      await expectCode(store.beginRemoval(lan), 'conflict')
      await store.markReplicaDeleting(lan, { graceMs: 1000 })
      await clock.advance(10)
      // Marking it again moves nothing.
      await store.markReplicaDeleting(lan, { graceMs: 9000 })
      expect(await store.listRemovals()).toEqual([
        { ...lan, path: 'train/cats/', markedAt, notBefore: markedAt + 1000, begun: false },
      ])
      expect(await store.beginRemoval(lan)).toBe('waiting')
      await clock.advance(989)
      expect(await store.beginRemoval(lan)).toBe('waiting')
      await clock.advance(1)
      expect(await store.beginRemoval(lan)).toBe('begun')
      expect(await store.beginRemoval(lan)).toBe('begun')
      expect(await store.listRemovals()).toMatchObject([{ ...lan, begun: true }])
      await store.removeReplica(lan)
      expect(await store.listRemovals()).toEqual([])
      await expectCode(store.beginRemoval(lan), 'not-found')
      // Added again it has nothing of its past.
      await copy(store, lan)
      await store.markReplicaDeleting(lan)
      expect(await store.listRemovals()).toMatchObject([{ begun: false, notBefore: clock.now() }])
    })

    test('they stay as long as somebody holds it', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      await store.holdReplica(lan, clock.now() + 500)
      await store.markReplicaDeleting(lan, { graceMs: 100 })
      await clock.advance(499)
      expect(await store.beginRemoval(lan)).toBe('waiting')
      await clock.advance(1)
      expect(await store.beginRemoval(lan)).toBe('begun')
    })

    test('as many others must be ready and whole as are wanted, where they count', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      await expectCode(store.markReplicaDeleting(lan, { minimumCopies: 2 }), 'unsafe')
      await expectCode(store.markReplicaDeleting(lan, { among: ['far', 'lan'] }), 'unsafe')
      await expectCode(store.markReplicaDeleting(lan, { among: [] }), 'unsafe')
      await copy(store, far)
      await expectCode(store.markReplicaDeleting(lan, { minimumCopies: 2, among: ['far', 'lan'] }), 'unsafe')
      const key = 'train/cats/d/a'
      const damage = await store.addDamage({ ...far, key, kind: 'missing', blocks: [], message: 'gone' })
      await expectCode(store.markReplicaDeleting(lan, { minimumCopies: 2 }), 'unsafe')
      await store.clearDamage(damage)
      expect(await store.markReplicaDeleting(lan, { minimumCopies: 2 })).toMatchObject({ status: 'deleting' })
      // None is not enough, whoever asks.
      await store.markReplicaDeleting(far, { minimumCopies: 0 })
      await expectCode(store.markReplicaDeleting(oss, { minimumCopies: 0 }), 'unsafe')
    })

    test('one that is in another state by now is left', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      await store.setReplicaStatus(lan, 'syncing')
      await expectCode(store.markReplicaDeleting(lan, { status: 'ready' }), 'conflict')
      expect(await statusOf(store, lan)).toBe('syncing')
      expect(await store.listRemovals()).toEqual([])
      expect(await store.markReplicaDeleting(lan, { status: 'syncing' })).toMatchObject({ status: 'deleting' })
      // It is what was asked for.
      expect(await store.markReplicaDeleting(lan, { status: 'ready' })).toMatchObject({ status: 'deleting' })
    })

    test('a replica goes back to what it was when its copies are not there any more', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      await copy(store, far)
      await store.setReplicaStatus(far, 'error', 'the disk is full')
      await store.markReplicaDeleting(lan)
      await store.markReplicaDeleting(far)
      const damage = await store.addDamage({ ...oss, key: 'data/cats/d/a', kind: 'digest', blocks: [], message: 'rot' })
      expect(await store.beginRemoval(lan)).toBe('kept')
      expect(await statusOf(store, lan)).toBe('ready')
      expect(await store.beginRemoval(far, { among: ['lan'] })).toBe('begun')
      await store.clearDamage(damage)
      await store.markReplicaDeleting(lan)
      expect(await store.beginRemoval(lan, { minimumCopies: 2 })).toBe('kept')
      await store.markReplicaDeleting(lan)
      expect(await store.beginRemoval(lan, { among: ['far'] })).toBe('kept')
      expect(await store.listRemovals({ sourceId: 'lan' })).toEqual([])
    })

    test('one that is wanted again is kept, until its bytes go', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      expect(await store.keepReplica(lan)).toMatchObject({ status: 'ready' })
      await store.markReplicaDeleting(lan, { graceMs: 1000 })
      expect(await store.keepReplica(lan)).toMatchObject({ status: 'ready' })
      expect(await store.listRemovals()).toEqual([])
      await store.markReplicaDeleting(lan)
      expect(await store.beginRemoval(lan)).toBe('begun')
      await expectCode(store.keepReplica(lan), 'lease-held')
      expect(await statusOf(store, lan)).toBe('deleting')
      await expectCode(store.keepReplica(far), 'not-found')
    })

    test('what is pinned stays when only its space is wanted, also when it was marked already', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      const pins: { version?: number; sourceId?: string }[] = [
        {},
        { version: 1 },
        { sourceId: 'lan' },
        { version: 1, sourceId: 'lan' },
      ]
      for (const pin of pins) {
        await store.pin({ datasetId: 'cats', ...pin, pinnedBy: 'ada' })
        await expectCode(store.markReplicaDeleting(lan, { unlessPinned: true }), 'unsafe')
        await store.unpin({ datasetId: 'cats', ...pin })
      }
      await store.pin({ datasetId: 'cats', version: 2, pinnedBy: 'ada' })
      await store.pin({ datasetId: 'cats', sourceId: 'far', pinnedBy: 'ada' })
      await store.markReplicaDeleting(lan, { unlessPinned: true })
      await store.pin({ datasetId: 'cats', pinnedBy: 'ada' })
      expect(await store.beginRemoval(lan)).toBe('kept')
      expect(await statusOf(store, lan)).toBe('ready')
      // Whoever removes it by name is not held up.
      await store.markReplicaDeleting(lan)
      expect(await store.beginRemoval(lan)).toBe('begun')
    })

    test('the base of an open draft stays, and what is going is no base', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      await store.createDraft({ ...draftOf('cats', 'open', 1), sourceId: 'lan' })
      await expectCode(store.markReplicaDeleting(lan), 'conflict')
      await store.discardDraft('open')
      await store.markReplicaDeleting(lan)
      await expectCode(store.createDraft({ ...draftOf('cats', 'late', 1), sourceId: 'lan' }), 'conflict')
      await store.createDraft(draftOf('cats', 'other', 1))
      await expectCode(store.markReplicaDeleting(oss), 'conflict')
    })

    test('files stay only where their version is', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await copy(store, lan)
      await store.markReplicaDeleting(lan)
      await store.beginRemoval(lan)
      await store.removeReplica(lan)
      await store.createDraft({ ...draftOf('cats', 'late', 1), sourceId: 'lan' })
      const parts = [
        { draft: 'cats-draft-1', size: 5 },
        { draft: 'late', size: 5 },
      ]
      await expectCode(store.publish({ ...publicationOf('late'), parts }), 'conflict')
      expect(await store.getDraft('late')).toMatchObject({ status: 'open' })
      await store.publish({ ...publicationOf('late'), parts: [{ draft: 'late', size: 10 }] })
      expect(await statusOf(store, { ...lan, version: 2 })).toBe('ready')
    })

    test('nothing comes to a place while bytes go from it', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await copy(store, lan)
      await store.markReplicaDeleting(lan)
      const next = { ...lan, version: 2, path: 'train/cats/', size: 10 }
      await store.beginRemoval(lan)
      await expectCode(store.addReplica(next), 'lease-held')
      await store.addReplica({ ...next, sourceId: 'far' })
      expect(await store.addReplica({ ...lan, path: 'train/cats/', size: 10 })).toMatchObject({ status: 'deleting' })
      await store.removeReplica(lan)
      expect(await store.addReplica(next)).toMatchObject({ status: 'syncing' })
    })

    test('are told in order, by pages, of all sources or of one', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await publishedDataset(store, 'dogs')
      const all = [far, lan, { ...lan, version: 2 }, { ...lan, datasetId: 'dogs' }]
      for (const replica of [...all].reverse()) {
        await copy(store, replica)
        await store.markReplicaDeleting(replica)
      }
      const paged: object[] = []
      for (let after: typeof lan | undefined; ; ) {
        const [one] = await store.listRemovals({ limit: 1, ...(after === undefined ? {} : { after }) })
        if (one === undefined) break
        const { datasetId, version, sourceId } = one
        paged.push({ datasetId, version, sourceId })
        after = one
      }
      expect(paged).toEqual(all)
      expect(await store.listRemovals({ sourceId: 'far' })).toMatchObject([far])
    })
  })
}
