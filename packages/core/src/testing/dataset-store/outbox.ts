import { describe, expect, test } from 'vitest'
import { publishedDataset } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function outboxTests(fresh: Fresh): void {
  describe('outbox', () => {
    test('hands entries out once while they are held, oldest first', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 3)
      const first = await store.takeOutbox(2, 1000)
      expect(first.map(({ version, attempts }) => [version, attempts])).toEqual([
        [1, 1],
        [2, 1],
      ])
      expect((await store.takeOutbox(2, 1000)).map(({ version }) => version)).toEqual([3])
      expect(await store.takeOutbox(2, 1000)).toEqual([])
      const ids = first.map(({ id }) => id)
      expect(ids).toEqual([...ids].sort((a, b) => a - b))
    })

    test('what is not finished when its time is over comes again, with one attempt more', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const [entry] = await store.takeOutbox(1, 1000)
      await clock.advance(999)
      expect(await store.takeOutbox(1, 1000)).toEqual([])
      await clock.advance(1)
      expect(await store.takeOutbox(1, 500)).toEqual([{ ...entry, attempts: 2 }])
      await clock.advance(499)
      expect(await store.takeOutbox(1, 1000)).toEqual([])
      await clock.advance(1)
      expect(await store.takeOutbox(1, 1000)).toMatchObject([{ attempts: 3 }])
    })

    test('tells when the first of those that are held comes again', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store, 'cats', 3)
      expect(await store.outboxHeldFor()).toBeUndefined()
      const [first] = await store.takeOutbox(1, 1000)
      await store.takeOutbox(1, 500)
      await clock.advance(100)
      expect(await store.outboxHeldFor()).toBe(400)
      await clock.advance(400)
      expect(await store.outboxHeldFor()).toBe(500)
      await store.releaseOutbox(first ?? { id: -1, attempts: -1 })
      expect(await store.outboxHeldFor()).toBeUndefined()
    })

    test('what is finished does not come again', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store, 'cats', 2)
      const [first, second] = await store.takeOutbox(2, 1000)
      await store.finishOutbox(first?.id ?? -1)
      await store.finishOutbox(first?.id ?? -1)
      await store.finishOutbox(987_654)
      await clock.advance(1000)
      expect((await store.takeOutbox(9, 1000)).map(({ id }) => id)).toEqual([second?.id])
    })

    test('is finished also by who held it too long', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const [entry] = await store.takeOutbox(1, 10)
      await clock.advance(10)
      await store.takeOutbox(1, 10)
      await store.finishOutbox(entry?.id ?? -1)
      await clock.advance(10)
      expect(await store.takeOutbox(1, 10)).toEqual([])
    })

    test('what is given back comes again at once', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      const [entry] = await store.takeOutbox(1, 1000)
      await store.releaseOutbox(entry ?? { id: -1, attempts: -1 })
      expect(await store.takeOutbox(1, 1000)).toEqual([{ ...entry, attempts: 2 }])
    })

    test('nobody gives back what another holds by now', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const [entry] = await store.takeOutbox(1, 10)
      await clock.advance(10)
      expect(await store.takeOutbox(1, 1000)).toHaveLength(1)
      await store.releaseOutbox(entry ?? { id: -1, attempts: -1 })
      await store.releaseOutbox({ id: 987_654, attempts: 1 })
      expect(await store.takeOutbox(1, 1000)).toEqual([])
    })

    test('is held on by who has it, and comes again only when that ends', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const [entry = { id: -1, attempts: -1 }] = await store.takeOutbox(1, 1000)
      for (let i = 0; i < 3; i++) {
        await clock.advance(900)
        expect(await store.extendOutbox(entry, 1000)).toBe(true)
        expect(await store.outboxHeldFor()).toBe(1000)
      }
      await clock.advance(999)
      expect(await store.takeOutbox(1, 1000)).toEqual([])
      await clock.advance(1)
      expect(await store.takeOutbox(1, 1000)).toEqual([{ ...entry, attempts: 2 }])
    })

    test('is held on also after its time, while nobody else took it', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const [entry = { id: -1, attempts: -1 }] = await store.takeOutbox(1, 1000)
      await clock.advance(5000)
      expect(await store.extendOutbox(entry, 1000)).toBe(true)
      expect(await store.takeOutbox(1, 1000)).toEqual([])
    })

    test('is not held on by who has it no more', async () => {
      const { store, clock } = await fresh()
      await publishedDataset(store)
      const [first = { id: -1, attempts: -1 }] = await store.takeOutbox(1, 10)
      await clock.advance(10)
      const [second = { id: -1, attempts: -1 }] = await store.takeOutbox(1, 1000)
      expect(await store.extendOutbox(first, 60_000)).toBe(false)
      expect(await store.outboxHeldFor()).toBe(1000)
      await store.releaseOutbox(second)
      expect(await store.extendOutbox(second, 60_000)).toBe(false)
      const [third = { id: -1, attempts: -1 }] = await store.takeOutbox(1, 1000)
      await store.finishOutbox(third.id)
      expect(await store.extendOutbox(third, 60_000)).toBe(false)
      expect(await store.outboxHeldFor()).toBeUndefined()
    })

    test('of several that take at once, nobody gets what another has', async () => {
      const { store } = await fresh()
      await publishedDataset(store, 'cats', 6)
      const taken = (await Promise.all([1, 2, 3, 4].map(() => store.takeOutbox(2, 1000)))).flat()
      expect(taken.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6])
    })

    test('takes nothing when asked for nothing', async () => {
      const { store } = await fresh()
      await publishedDataset(store)
      expect(await store.takeOutbox(0, 1000)).toEqual([])
      expect(await store.takeOutbox(1, 1000)).toMatchObject([{ attempts: 1 }])
    })
  })
}
