import { describe, expect, test } from 'vitest'
import { expectCode } from '../expect-code.ts'
import { draftOf, fileAt, publicationOf, publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function publishTests(fresh: Fresh): void {
  describe('publishing', () => {
    test('makes a version, a primary replica and an outbox entry, and closes the draft', async () => {
      const { store, clock } = await fresh()
      await store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
      await store.createDraft(draftOf('cats', 'draft'))
      await store.putDraftFiles('draft', [fileAt('draft', 'a'), fileAt('draft', 'b')])
      await clock.advance(1000)
      const now = clock.now()
      const version = await store.publish({
        draftId: 'draft',
        manifest: 'm1',
        size: 12,
        fileCount: 2,
        message: 'first: 猫',
      })
      expect(version).toEqual({
        datasetId: 'cats',
        number: 1,
        manifest: 'm1',
        parents: [],
        author: 'ada',
        message: 'first: 猫',
        size: 12,
        fileCount: 2,
        createdAt: now,
      })
      expect(await store.getVersion('cats', 1)).toEqual(version)
      expect(await store.getDataset('cats')).toMatchObject({ version: 1, size: 12, fileCount: 2, updatedAt: now })
      expect(await store.listReplicas('cats', 1)).toMatchObject([
        {
          datasetId: 'cats',
          version: 1,
          sourceId: 'oss',
          path: 'data/cats/',
          size: 12,
          status: 'ready',
          isPrimary: true,
        },
      ])
      expect(await store.getDraft('draft')).toMatchObject({ status: 'published', updatedAt: now })
      expect(await store.listDraftFiles('draft')).toEqual([])
      expect(await store.getDraftFile('draft', 'a')).toBeUndefined()
      expect(await store.countOpenDrafts('cats')).toBe(0)
      expect(await store.takeOutbox(9, 1)).toMatchObject([
        { kind: 'dataset.published', datasetId: 'cats', version: 1, createdAt: now },
      ])
    })

    test('a later version follows from the one before', async () => {
      const { store } = await fresh()
      const versions = await publishedDataset(store, 'cats', 3)
      expect(versions.map(({ number, parents }) => [number, parents])).toEqual([
        [1, []],
        [2, [1]],
        [3, [2]],
      ])
      expect((await store.listVersions('cats')).map(({ number }) => number)).toEqual([3, 2, 1])
      expect(await store.getDataset('cats')).toMatchObject({ version: 3 })
      expect(await store.getVersion('cats', 4)).toBeUndefined()
      expect(await store.getVersion('cats', 0)).toBeUndefined()
      expect(await store.listVersions('nothing')).toEqual([])
    })

    test('fails when another version came first, and leaves the draft open', async () => {
      const { store } = await fresh()
      await store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
      await store.createDraft(draftOf('cats', 'fast'))
      await store.createDraft(draftOf('cats', 'slow'))
      await store.createDraft(draftOf('cats', 'ahead', 5))
      await store.putDraftFiles('slow', [fileAt('slow', 'a')])
      await store.publish(publicationOf('fast'))
      await expectCode(store.publish(publicationOf('slow')), 'conflict')
      await expectCode(store.publish(publicationOf('ahead')), 'conflict')
      expect(await store.getDraft('slow')).toMatchObject({ status: 'open' })
      expect(await store.listDraftFiles('slow')).toHaveLength(1)
      expect(await store.listVersions('cats')).toHaveLength(1)
      expect(await store.listReplicas('cats')).toHaveLength(1)
      expect(await store.takeOutbox(9, 1)).toHaveLength(1)
    })

    test('of several that publish at once, each number is given once', async () => {
      const { store } = await fresh()
      await store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
      for (let base = 0; base < 4; base++) {
        const ids = ['a', 'b', 'c'].map((name) => `${name}${base}`)
        for (const id of ids) await store.createDraft(draftOf('cats', id, base))
        const results = await Promise.allSettled(ids.map((id) => store.publish(publicationOf(id))))
        const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
        expect(winners).toMatchObject([{ number: base + 1 }])
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' })
      }
      expect((await store.listVersions('cats')).map(({ number }) => number)).toEqual([4, 3, 2, 1])
      expect(await store.takeOutbox(99, 1)).toHaveLength(4)
    })

    test('publishing again with the same manifest gives the same version, also later and at once', async () => {
      const { store } = await fresh()
      await store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
      await store.createDraft(draftOf('cats', 'draft'))
      const twice = await Promise.all([store.publish(publicationOf('draft')), store.publish(publicationOf('draft'))])
      expect(twice[1]).toEqual(twice[0])
      await store.createDraft(draftOf('cats', 'next', 1))
      await store.publish(publicationOf('next'))
      expect(await store.publish(publicationOf('draft'))).toEqual(twice[0])
      expect(await store.listVersions('cats')).toHaveLength(2)
      expect(await store.takeOutbox(9, 1)).toHaveLength(2)
      await expectCode(store.publish(publicationOf('draft', 'another manifest')), 'conflict')
    })

    test('a draft that is not there, discarded or published cannot become another version', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      await expectCode(store.publish(publicationOf('nothing')), 'not-found')
      await expectCode(store.discardDraft('cats-draft-1'), 'conflict')
      await expectCode(store.putDraftFiles('cats-draft-1', [fileAt('cats-draft-1', 'a')]), 'conflict')
    })

    test('datasets do not share numbers', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await publishedDataset(store, 'dogs', 1)
      expect(await store.listVersions('dogs')).toMatchObject([{ datasetId: 'dogs', number: 1 }])
      expect(await store.listReplicas('dogs')).toHaveLength(1)
    })
  })
}
