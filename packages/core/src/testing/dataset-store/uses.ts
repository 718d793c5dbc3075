import { describe, expect, test } from 'vitest'
import type { DatasetStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { draftOf, fileAt, publicationOf, publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

const lan = { datasetId: 'cats', version: 1, sourceId: 'lan' }

async function copy(store: DatasetStore, version: number, sourceId = 'lan', datasetId = 'cats'): Promise<void> {
  const replica = { datasetId, version, sourceId }
  await store.addReplica({ ...replica, path: `train/${datasetId}/`, size: 10 })
  await store.setReplicaStatus(replica, 'ready')
}

/** Publishes versions whose bytes were brought by these drafts: `{ a: 60, b: 40 }`. */
async function publishParts(store: DatasetStore, versions: readonly Record<string, number>[]): Promise<void> {
  await store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
  for (const [base, sizes] of versions.entries()) {
    const draftId = Object.keys(sizes).at(-1) as string
    await store.createDraft(draftOf('cats', draftId, base))
    const parts = Object.entries(sizes).map(([draft, size]) => ({ draft, size }))
    const size = parts.reduce((sum, part) => sum + part.size, 0)
    await store.publish({ ...publicationOf(draftId), size, parts })
  }
}

export function useTests(fresh: Fresh): void {
  describe('uses of replicas', () => {
    test('those that were read longest ago come first', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store, 'cats', 3)
      for (const version of [3, 1, 2]) {
        await clock.advance(1000)
        await copy(store, version)
      }
      const order = async () => (await store.listUses('lan')).map(({ version }) => version)
      expect(await order()).toEqual([3, 1, 2])
      await clock.advance(1000)
      const at = clock.now()
      await store.noteReads([
        { ...lan, version: 3, at: at + 5 },
        { ...lan, at },
        { ...lan, datasetId: 'dogs', at },
        { ...lan, version: 9, at },
      ])
      expect(await order()).toEqual([2, 1, 3])
      // News that is older changes nothing.
      await store.noteReads([{ ...lan, version: 3, at: at - 500 }])
      await store.noteReads([])
      const uses = await store.listUses('lan')
      expect(uses.map(({ usedAt }) => usedAt)).toEqual([at - 1000, at, at + 5])
      expect(uses[0]).toMatchObject({ ...lan, version: 2, status: 'ready', heldUntil: 0 })
      const paged: number[] = []
      for (let after: (typeof uses)[number] | undefined; ; ) {
        const [one] = await store.listUses('lan', { limit: 1, ...(after === undefined ? {} : { after }) })
        if (one === undefined) break
        paged.push(one.version)
        after = one
      }
      expect(paged).toEqual([2, 1, 3])
      expect(await store.listUses('nowhere')).toEqual([])
    })

    test('of those that were used at the same time, all come once over pages', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await publishedDataset(store, 'dogs', 2)
      for (const id of ['cats', 'dogs']) for (const version of [1, 2]) await copy(store, version, 'lan', id)
      const paged: string[] = []
      for (let after: Awaited<ReturnType<DatasetStore['listUses']>>[number] | undefined; ; ) {
        const page = await store.listUses('lan', { limit: 1, ...(after === undefined ? {} : { after }) })
        after = page[0]
        if (after === undefined) break
        paged.push(`${after.datasetId} ${after.version}`)
      }
      expect(paged).toEqual(['cats 1', 'cats 2', 'dogs 1', 'dogs 2'])
    })

    test('a hold is noted while the replica is ready, and never shortened', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      await store.addReplica({ ...lan, path: 'train/cats/', size: 10 })
      const held = async () => (await store.listUses('lan'))[0]?.heldUntil
      const until = clock.now() + 60_000
      expect(await store.holdReplica(lan, until)).toBe(false)
      expect(await held()).toBe(0)
      await store.setReplicaStatus(lan, 'ready')
      expect(await store.holdReplica(lan, until)).toBe(true)
      expect(await store.holdReplica(lan, until - 1)).toBe(true)
      expect(await held()).toBe(until)
      expect(await store.holdReplica(lan, until + 1)).toBe(true)
      expect(await held()).toBe(until + 1)
      await store.noteReads([{ ...lan, at: clock.now() + 7 }])
      expect((await store.listUses('lan'))[0]).toMatchObject({ heldUntil: until + 1, usedAt: clock.now() + 7 })
      await store.markReplicaDeleting(lan)
      expect(await store.holdReplica(lan, until + 9)).toBe(false)
      await expectCode(store.holdReplica({ ...lan, sourceId: 'b' }, until), 'not-found')
    })
  })

  describe('what lies on a source', () => {
    test('files that versions share at one place count once', async () => {
      const { store } = await fresh()
      await publishParts(store, [{ a: 100 }, { a: 70, b: 30 }, { a: 70, b: 10, c: 5 }])
      expect(await store.usageOf('oss')).toEqual({ sourceId: 'oss', bytes: 135, leaving: 0, replicas: 3 })
      expect(await store.usageOf('lan')).toEqual({ sourceId: 'lan', bytes: 0, leaving: 0, replicas: 0 })
      await copy(store, 2)
      await copy(store, 3)
      expect(await store.usageOf('lan')).toMatchObject({ bytes: 105, replicas: 2 })
      expect(await store.freedBy({ ...lan, version: 2 })).toBe(20)
      expect(await store.freedBy({ ...lan, version: 3 })).toBe(5)
      expect(await store.freedBy({ ...lan, version: 1 })).toBe(0)
      // The bytes of one that is being deleted lie there still, and leave with it.
      await store.markReplicaDeleting({ ...lan, version: 2 })
      expect(await store.usageOf('lan')).toMatchObject({ bytes: 105, leaving: 20, replicas: 1 })
      expect(await store.freedBy({ ...lan, version: 3 })).toBe(85)
      await store.removeReplica({ ...lan, version: 2 })
      expect(await store.usageOf('lan')).toMatchObject({ bytes: 85, leaving: 0, replicas: 1 })
    })

    test('another place of the source shares nothing, and uploads count as far as they are', async () => {
      const { store } = await fresh()
      await publishParts(store, [{ a: 100 }, { a: 70, b: 30 }])
      await copy(store, 1)
      await store.addReplica({ ...lan, version: 2, path: 'elsewhere/', size: 100 })
      expect(await store.usageOf('lan')).toMatchObject({ bytes: 200 })
      await store.createDraft({ ...draftOf('cats', 'open', 2), sourceId: 'lan' })
      await store.putDraftFiles('open', [fileAt('open', 'x', 7), fileAt('open', 'y', 8)])
      await store.putDraftFiles('open', [fileAt('open', 'y', 9)])
      expect(await store.usageOf('lan')).toMatchObject({ bytes: 216, leaving: 0, replicas: 2 })
      await store.discardDraft('open')
      expect(await store.usageOf('lan')).toMatchObject({ bytes: 200 })
    })

    test('a publication that does not say what it shares counts whole', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      expect(await store.usageOf('oss')).toMatchObject({ bytes: 20, replicas: 2 })
      expect(await store.freedBy({ datasetId: 'cats', version: 1, sourceId: 'oss' })).toBe(10)
    })
  })

  describe('pins', () => {
    test('are of a dataset or a version, on one source or all', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      await publishedDataset(store, 'dogs')
      const first = await store.pin({ datasetId: 'cats', pinnedBy: 'ada' })
      expect(first).toEqual({ datasetId: 'cats', pinnedBy: 'ada', createdAt: clock.now() })
      await clock.advance(5)
      expect(await store.pin({ datasetId: 'cats', pinnedBy: 'bob' })).toEqual(first)
      const second = await store.pin({ datasetId: 'cats', version: 1, sourceId: 'lan', pinnedBy: 'bob' })
      const third = await store.pin({ datasetId: 'dogs', version: 1, pinnedBy: 'ada' })
      expect(await store.listPins()).toEqual([first, second, third])
      expect(await store.listPins('cats')).toEqual([first, second])
      expect(await store.unpin({ datasetId: 'cats', version: 1 })).toBe(false)
      expect(await store.unpin(second)).toBe(true)
      expect(await store.unpin(second)).toBe(false)
      expect(await store.listPins('cats')).toEqual([first])
      await expectCode(store.pin({ datasetId: 'cows', pinnedBy: 'ada' }), 'not-found')
    })
  })
}
