import { describe, expect, test } from 'vitest'
import type { Damage } from '../../entities/index.ts'
import type { DatasetStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

const bad = {
  datasetId: 'cats',
  sourceId: 'lan',
  key: 'data/cats/d/\u{1f408}',
  kind: 'digest',
  blocks: [1, 3],
  message: 'two blocks are bad',
} as const

function found(store: DatasetStore, change: Partial<Damage> = {}): ReturnType<DatasetStore['addDamage']> {
  return store.addDamage({ ...bad, blocks: [...bad.blocks], ...change })
}

async function ready(store: DatasetStore, sourceId: string, version = 1): Promise<void> {
  await store.addReplica({ datasetId: 'cats', version, sourceId, path: 'data/cats/', size: 10 })
  await store.setReplicaStatus({ datasetId: 'cats', version, sourceId }, 'ready')
}

export function damageTests(fresh: Fresh): void {
  describe('damage', () => {
    test('is kept as it was found, and told in order', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      await publishedDataset(store, 'dogs')
      const first = await found(store)
      expect(first).toEqual({ ...bad, foundAt: clock.now(), found: 1 })
      await clock.advance(7)
      expect(await found(store, { kind: 'missing', blocks: [], message: 'gone' })).toEqual({
        ...first,
        kind: 'missing',
        blocks: [],
        message: 'gone',
        found: 2,
      })
      for (const other of [{ key: 'data/cats/d/z' }, { sourceId: 'a' }, { datasetId: 'dogs' }])
        await found(store, other)
      const all = (await store.listDamage()).map((d) => `${d.datasetId} ${d.sourceId} ${d.key}`)
      expect(all).toEqual([`cats a ${bad.key}`, 'cats lan data/cats/d/z', `cats lan ${bad.key}`, `dogs lan ${bad.key}`])
      expect(await store.listDamage({ datasetId: 'cats', sourceId: 'lan' })).toHaveLength(2)
      expect(await store.listDamage({ sourceId: 'lan' })).toHaveLength(3)
      const paged: string[] = []
      for (let after: Damage | undefined; ; ) {
        const [one] = await store.listDamage({ limit: 1, ...(after === undefined ? {} : { after }) })
        if (one === undefined) break
        paged.push(`${one.datasetId} ${one.sourceId} ${one.key}`)
        after = one
      }
      expect(paged).toEqual(all)
    })

    test('is of a dataset that exists', async () => {
      const { store } = await fresh()
      await expectCode(found(store), 'not-found')
    })

    test('what was found again meanwhile is not forgotten', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      const first = await found(store)
      const second = await found(store)
      expect(await store.clearDamage(first)).toBe(false)
      expect(await store.listDamage()).toEqual([second])
      expect(await store.clearDamage(second)).toBe(true)
      expect(await store.clearDamage(second)).toBe(true)
      expect(await store.listDamage()).toEqual([])
      expect(await found(store)).toMatchObject({ found: 1 })
    })

    test('a replica is not given up for one that is damaged', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await ready(store, 'lan')
      const oss = { datasetId: 'cats', version: 1, sourceId: 'oss' }
      const damage = await found(store)
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
      // The damaged one may go: the other is whole.
      const first = await store.markReplicaDeleting({ ...oss, sourceId: 'lan' })
      expect(first).toMatchObject({ status: 'deleting' })
      await ready(store, 'b')
      await ready(store, 'lan', 2)
      await found(store, { sourceId: 'b' })
      await expectCode(store.markReplicaDeleting(oss), 'unsafe')
      await store.clearDamage({ ...damage, sourceId: 'b' })
      expect(await store.markReplicaDeleting(oss)).toMatchObject({ status: 'deleting' })
    })

    test('goes with the last replica of its dataset on its source', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 2)
      await ready(store, 'lan')
      await ready(store, 'lan', 2)
      await found(store)
      const gone = async (version: number) => {
        await store.markReplicaDeleting({ datasetId: 'cats', version, sourceId: 'lan' })
        await store.removeReplica({ datasetId: 'cats', version, sourceId: 'lan' })
      }
      await gone(1)
      expect(await store.listDamage()).toHaveLength(1)
      await gone(2)
      expect(await store.listDamage()).toEqual([])
    })

    test('found while replicas are marked at once, a whole one always stays', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      for (let round = 0; round < 5; round++) {
        const other = `lan-${round}`
        await ready(store, other)
        const [keep] = (await store.listReplicas('cats', 1)).filter((r) => r.status === 'ready' && r.sourceId !== other)
        if (keep === undefined) throw new Error('no replica is left')
        const results = await Promise.allSettled([
          store.markReplicaDeleting(keep),
          found(store, { sourceId: other }),
          store.markReplicaDeleting({ datasetId: 'cats', version: 1, sourceId: other }),
        ])
        expect(results[1].status).toBe('fulfilled')
        const left = (await store.listReplicas('cats', 1)).filter(({ status }) => status === 'ready')
        expect(left.length).toBeGreaterThan(0)
        if (left.length > 1) expect(left.map(({ sourceId }) => sourceId)).toContain(keep.sourceId)
        for (const damage of await store.listDamage()) await store.clearDamage(damage)
        // One is left for the next round.
        if (left.length > 1) await store.markReplicaDeleting({ datasetId: 'cats', version: 1, sourceId: other })
      }
    })
  })
}
