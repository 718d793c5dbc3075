import { describe, expect, test } from 'vitest'
import { expectCode } from '../expect-code.ts'
import type { Fresh } from './under-test.ts'

export function datasetTests(fresh: Fresh): void {
  describe('datasets', () => {
    test('the catalog has one identity', async () => {
      const { store } = await fresh()
      const id = await store.catalogId()
      expect(id).toMatch(/^\S{8,}$/)
      expect(await store.catalogId()).toBe(id)
      const { store: other } = await fresh()
      expect(await other.catalogId()).not.toBe(id)
    })

    test('a new dataset has no version, and all that was given', async () => {
      const { store, clock } = await fresh()
      const made = await store.createDataset({
        id: 'd1',
        name: 'cats',
        userId: 'ada',
        workspaceId: 'w7',
        description: 'All of them: "quoted", 猫\nand more',
        tags: ['a', '猫', 'with, comma', ''],
      })
      expect(made).toEqual({
        id: 'd1',
        name: 'cats',
        userId: 'ada',
        workspaceId: 'w7',
        description: 'All of them: "quoted", 猫\nand more',
        tags: ['a', '猫', 'with, comma', ''],
        version: 0,
        size: 0,
        fileCount: 0,
        createdAt: clock.now(),
        updatedAt: clock.now(),
      })
      expect(await store.getDataset('d1')).toEqual(made)
    })

    test('what was not given is absent, empty or undefined', async () => {
      const { store } = await fresh()
      const made = await store.createDataset({ id: 'd1', name: 'cats', userId: 'ada' })
      expect(made).toMatchObject({ description: '', tags: [] })
      expect(made).not.toHaveProperty('workspaceId')
      expect(await store.getDataset('D1')).toBeUndefined()
      expect(await store.getDataset('')).toBeUndefined()
      expect(await store.findDatasets('dogs')).toEqual([])
    })

    test('a name is unique for a user, and in a workspace', async () => {
      const { store } = await fresh()
      await store.createDataset({ id: 'd1', name: 'cats', userId: 'ada' })
      await expectCode(store.createDataset({ id: 'd2', name: 'cats', userId: 'ada' }), 'conflict')
      await store.createDataset({ id: 'd3', name: 'cats', userId: 'bob' })
      await store.createDataset({ id: 'd4', name: 'cats', userId: 'ada', workspaceId: 'w7' })
      await expectCode(store.createDataset({ id: 'd5', name: 'cats', userId: 'bob', workspaceId: 'w7' }), 'conflict')
      await store.createDataset({ id: 'd6', name: 'cats', userId: 'bob', workspaceId: 'w8' })
      // A user and a workspace of the same id are not the same owner.
      await store.createDataset({ id: 'd7', name: 'cats', userId: 'w7' })
      expect((await store.findDatasets('cats')).map(({ id }) => id)).toEqual(['d1', 'd3', 'd4', 'd6', 'd7'])
      expect(await store.getDataset('d2')).toBeUndefined()
    })

    test('an id is given once', async () => {
      const { store } = await fresh()
      await store.createDataset({ id: 'd1', name: 'cats', userId: 'ada' })
      await expectCode(store.createDataset({ id: 'd1', name: 'dogs', userId: 'bob' }), 'conflict')
      expect(await store.getDataset('d1')).toMatchObject({ name: 'cats', userId: 'ada' })
    })

    test('of several that create one name at once, one succeeds', async () => {
      const { store } = await fresh()
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) => store.createDataset({ id: `d${i}`, name: 'cats', userId: 'ada' })),
      )
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await store.findDatasets('cats')).toHaveLength(1)
    })

    test('names compare as bytes: case, accents and blanks make another name', async () => {
      const { store } = await fresh()
      const names = ['café', 'cafe\u0301', 'Café', 'café ', 'cafe', 'CAFE', '猫', '😀', '\uff01', 'a\0b', 'a']
      for (const [i, name] of names.entries()) await store.createDataset({ id: `d${i}`, name, userId: 'ada' })
      for (const [i, name] of names.entries()) {
        expect(await store.findDatasets(name)).toMatchObject([{ id: `d${i}`, name }])
      }
    })

    test('refuses text that is not valid Unicode, which would become another text', async () => {
      const { store } = await fresh()
      await expectCode(store.createDataset({ id: 'd1', name: 'cat\ud800', userId: 'ada' }), 'invalid-request')
      expect(await store.listDatasets()).toEqual([])
    })

    test('lists newest first, by owner, in pages', async () => {
      const { store, clock } = await fresh()
      for (let i = 0; i < 7; i++) {
        const workspace = i % 2 === 0 ? { workspaceId: 'w7' } : {}
        await store.createDataset({ id: `d${i}`, name: `n${i}`, userId: i < 4 ? 'ada' : 'bob', ...workspace })
        // Times may be equal; the order is that of creation all the same.
        if (i === 3) await clock.advance(5)
      }
      const ids = async (...args: Parameters<typeof store.listDatasets>) =>
        (await store.listDatasets(...args)).map(({ id }) => id)
      expect(await ids()).toEqual(['d6', 'd5', 'd4', 'd3', 'd2', 'd1', 'd0'])
      expect(await ids({ userId: 'ada' })).toEqual(['d3', 'd2', 'd1', 'd0'])
      expect(await ids({ workspaceId: 'w7' })).toEqual(['d6', 'd4', 'd2', 'd0'])
      expect(await ids({ userId: 'ada', workspaceId: 'w7' })).toEqual(['d2', 'd0'])
      expect(await ids({ limit: 3 })).toEqual(['d6', 'd5', 'd4'])
      expect(await ids({ limit: 3, after: 'd4' })).toEqual(['d3', 'd2', 'd1'])
      expect(await ids({ limit: 3, after: 'd1' })).toEqual(['d0'])
      expect(await ids({ after: 'd0' })).toEqual([])
      expect(await ids({ userId: 'ada', after: 'd2', limit: 1 })).toEqual(['d1'])
      expect(await ids({ limit: 0 })).toEqual([])
    })
  })
}
