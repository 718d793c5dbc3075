import { describe, expect, test } from 'vitest'
import { draftOf, fileAt, publicationOf, publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function reopenTests(fresh: Fresh): void {
  describe('opened again', () => {
    test('everything is still there, when the store outlives its process', async () => {
      const { store, reopen } = await fresh()
      await publishedDataset(store)
      await store.createDraft(draftOf('cats', 'open', 1))
      await store.putDraftFiles('open', [fileAt('open', '猫')])
      const before = {
        id: await store.catalogId(),
        dataset: await store.getDataset('cats'),
        versions: await store.listVersions('cats'),
        replicas: await store.listReplicas('cats'),
        drafts: await store.listDrafts('cats'),
        files: await store.listDraftFiles('open'),
      }
      if (reopen === undefined) {
        // A store in memory promises only that closing it is possible.
        await store.close()
        return
      }
      const again = await reopen()
      expect({
        id: await again.catalogId(),
        dataset: await again.getDataset('cats'),
        versions: await again.listVersions('cats'),
        replicas: await again.listReplicas('cats'),
        drafts: await again.listDrafts('cats'),
        files: await again.listDraftFiles('open'),
      }).toEqual(before)
      const taken = await again.takeOutbox(9, 1000)
      await again.publish(publicationOf('open'))
      const next = await again.takeOutbox(9, 1000)
      expect(next).toMatchObject([{ version: 2 }])
      expect(next[0]?.id).toBeGreaterThan(taken[0]?.id ?? 0)
    })
  })
}
