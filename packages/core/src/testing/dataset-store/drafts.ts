import { describe, expect, test } from 'vitest'
import type { DatasetStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { repeats } from '../level.ts'
import { draftOf, fileAt, publicationOf } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

async function withDraft(fresh: Fresh): Promise<Awaited<ReturnType<Fresh>>> {
  const made = await fresh()
  await made.store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
  await made.store.createDraft(draftOf('cats', 'draft'))
  return made
}

async function paths(store: DatasetStore, options?: { after?: string; limit?: number }): Promise<string[]> {
  return (await store.listDraftFiles('draft', options)).map(({ path }) => path)
}

export function draftTests(fresh: Fresh): void {
  describe('drafts', () => {
    test('a draft is open and has all that was given', async () => {
      const { store, clock } = await fresh()
      await store.createDataset({ id: 'cats', name: 'cats', userId: 'ada' })
      const made = await store.createDraft(draftOf('cats', 'draft'))
      const times = { createdAt: clock.now(), updatedAt: clock.now() }
      expect(made).toEqual({ ...draftOf('cats', 'draft'), status: 'open', ...times })
      expect(await store.getDraft('draft')).toEqual(made)
      expect(await store.getDraft('other')).toBeUndefined()
    })

    test('needs a dataset and an id of its own', async () => {
      const { store } = await withDraft(fresh)
      await expectCode(store.createDraft(draftOf('nothing', 'other')), 'not-found')
      await expectCode(store.createDraft(draftOf('cats', 'draft')), 'conflict')
      expect(await store.getDraft('other')).toBeUndefined()
    })

    test('lists and counts the open drafts of one dataset, oldest first', async () => {
      const { store } = await withDraft(fresh)
      await store.createDataset({ id: 'dogs', name: 'dogs', userId: 'ada' })
      await store.createDraft(draftOf('dogs', 'other'))
      for (const id of ['z', 'a', 'published']) await store.createDraft(draftOf('cats', id))
      expect((await store.listDrafts('cats')).map(({ id }) => id)).toEqual(['draft', 'z', 'a', 'published'])
      expect(await store.countOpenDrafts('cats')).toBe(4)
      await store.discardDraft('z')
      await store.publish(publicationOf('published'))
      expect((await store.listDrafts('cats')).map(({ id }) => id)).toEqual(['draft', 'a'])
      expect(await store.countOpenDrafts('cats')).toBe(2)
      expect(await store.countOpenDrafts('nothing')).toBe(0)
    })

    test('keeps files with all they have', async () => {
      const { store } = await withDraft(fresh)
      const full = { ...fileAt('draft', 'a/b.jpg', 5e15), contentType: 'image/jpeg', fingerprint: '12:34' }
      await store.putDraftFiles('draft', [full, fileAt('draft', 'plain', 0)])
      expect(await store.getDraftFile('draft', 'a/b.jpg')).toEqual(full)
      expect(await store.getDraftFile('draft', 'plain')).toEqual(fileAt('draft', 'plain', 0))
      expect(await store.getDraftFile('draft', 'A/b.jpg')).toBeUndefined()
      expect(await store.getDraftFile('other', 'plain')).toBeUndefined()
    })

    test('a file of the same path takes the place of the other, also within one call', async () => {
      const { store } = await withDraft(fresh)
      await store.putDraftFiles('draft', [{ ...fileAt('draft', 'a', 1), contentType: 'x/y' }, fileAt('draft', 'b', 1)])
      await store.putDraftFiles('draft', [fileAt('draft', 'a', 2), fileAt('draft', 'c', 1), fileAt('draft', 'c', 3)])
      expect(await store.listDraftFiles('draft')).toEqual([
        fileAt('draft', 'a', 2),
        fileAt('draft', 'b', 1),
        fileAt('draft', 'c', 3),
      ])
    })

    test('lists files in the order of their UTF-8 bytes', async () => {
      const { store } = await withDraft(fresh)
      const inOrder = [
        'A',
        'a',
        'a b',
        'a-',
        'a/b',
        'a0',
        'b',
        'cafe\u0301',
        'café',
        '猫',
        '\uff01',
        '\uffee',
        '😀',
        '😀/x',
        '🚀',
      ]
      expect([...inOrder].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(inOrder)
      await store.putDraftFiles(
        'draft',
        [...inOrder].reverse().map((path) => fileAt('draft', path)),
      )
      expect(await paths(store)).toEqual(inOrder)
      expect(await paths(store, { after: '\uffee' })).toEqual(['😀', '😀/x', '🚀'])
      expect(await paths(store, { after: 'café', limit: 2 })).toEqual(['猫', '\uff01'])
    })

    test('pages through many files', async () => {
      const { store } = await withDraft(fresh)
      const all = Array.from({ length: repeats(1203, 20_003) }, (_, i) => `f/${String(i).padStart(6, '0')}`)
      await store.putDraftFiles(
        'draft',
        all.map((path) => fileAt('draft', path)),
      )
      const seen: string[] = []
      for (let after: string | undefined; ; after = seen.at(-1)) {
        const page = await paths(store, { limit: 500, ...(after === undefined ? {} : { after }) })
        seen.push(...page)
        if (page.length < 500) break
      }
      expect(seen).toEqual(all)
      expect(await paths(store, { limit: 0 })).toEqual([])
      expect(await paths(store)).toHaveLength(all.length)
    })

    test('only an open draft takes files, and a refusal keeps none of them', async () => {
      const { store } = await withDraft(fresh)
      await expectCode(store.putDraftFiles('nothing', [fileAt('nothing', 'a')]), 'not-found')
      const bad = [fileAt('draft', 'good'), fileAt('draft', 'bad\udc00')]
      await expectCode(store.putDraftFiles('draft', bad), 'invalid-request')
      expect(await paths(store)).toEqual([])
      await store.putDraftFiles('draft', [])
      await store.discardDraft('draft')
      await expectCode(store.putDraftFiles('draft', [fileAt('draft', 'a')]), 'conflict')
      await expectCode(store.putDraftFiles('draft', []), 'conflict')
    })

    test('drafts of one dataset do not see each other’s files', async () => {
      const { store } = await withDraft(fresh)
      await store.createDraft(draftOf('cats', 'second'))
      await store.putDraftFiles('draft', [fileAt('draft', 'a')])
      await store.putDraftFiles('second', [fileAt('second', 'a', 9)])
      expect(await store.listDraftFiles('draft')).toEqual([fileAt('draft', 'a')])
      expect(await store.listDraftFiles('second')).toEqual([fileAt('second', 'a', 9)])
    })

    test('a discarded draft is closed, forgets its files and can be discarded again', async () => {
      const { store, clock } = await withDraft(fresh)
      await store.putDraftFiles('draft', [fileAt('draft', 'a')])
      await clock.advance(7)
      await store.discardDraft('draft')
      expect(await store.getDraft('draft')).toMatchObject({ status: 'discarded', updatedAt: clock.now() })
      expect(await paths(store)).toEqual([])
      expect(await store.getDraftFile('draft', 'a')).toBeUndefined()
      await store.discardDraft('draft')
      await expectCode(store.publish(publicationOf('draft')), 'conflict')
      await expectCode(store.discardDraft('nothing'), 'not-found')
    })

    test('a draft that has files is not discarded when it should have none', async () => {
      const { store } = await withDraft(fresh)
      await store.putDraftFiles('draft', [fileAt('draft', 'a')])
      await expectCode(store.discardDraft('draft', { ifEmpty: true }), 'conflict')
      expect(await paths(store)).toEqual(['a'])
      await store.createDraft(draftOf('cats', 'empty'))
      await store.discardDraft('empty', { ifEmpty: true })
      await store.discardDraft('empty', { ifEmpty: true })
      expect(await store.getDraft('empty')).toMatchObject({ status: 'discarded' })
    })
  })
}
