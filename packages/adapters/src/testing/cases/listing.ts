import { compareKeys, type ListPage } from '@stowage/core'
import { expectCode, repeats } from '@stowage/core/testing'
import { expect } from 'vitest'
import { keysOf, pagesOf, putAll, text } from '../bytes.ts'
import type { Case } from '../case.ts'

/** Keys and folders of all pages, merged in the order in which a reader meets them. */
function merged(pages: readonly ListPage[]): string[] {
  return pages.flatMap(({ objects, prefixes }) => [...objects.map(({ key }) => key), ...prefixes].sort(compareKeys))
}

/** A small tree in which folders, names that begin alike and all widths of UTF-8 meet. */
const tree = [
  '.hidden',
  'a',
  'a-b',
  'a.b',
  'b/1',
  'b/2/3',
  'b/2/4',
  'b-',
  'c/d/e/f',
  'c0',
  'é/x',
  '\uff5e/y',
  '😀/z',
  '😀0',
]

export const listingCases: Case[] = [
  {
    name: 'lists in UTF-8 byte order, whatever the size of a page',
    run: async ({ adapter, folder }) => {
      const keys = tree.map((name) => folder + name).sort(compareKeys)
      await putAll(adapter, keys)
      for (const pageSize of [1, 2, 3, 5, 1000]) {
        const pages = await pagesOf(adapter, { prefix: folder, pageSize })
        expect(pages.flatMap((page) => page.objects.map(({ key }) => key))).toEqual(keys)
        for (const page of pages) expect(page.objects.length).toBeLessThanOrEqual(pageSize)
      }
    },
  },
  {
    name: 'lists what begins like the name of a folder that has a marker, or of an object',
    run: async ({ adapter, capabilities, folder }) => {
      const marker = capabilities.keys.trailingSlash ? ['Z/'] : []
      const below = ['1', '2', '3', '4', '5', '6'].map((name) => `Z/${name}`)
      const wanted = ['Z_', 'Z_1', 'Z_2/x', 'Z__', 'Z__X', 'Z__XL']
      const names = [...marker, ...below, ...wanted, 'Y', 'Za']
      await putAll(
        adapter,
        names.map((name) => folder + name),
      )
      for (const prefix of ['Z', 'Z_', 'Z__', 'Z__X', 'Z/', 'Z_2/', 'Z_1']) {
        const expected = names.filter((name) => name.startsWith(prefix)).map((name) => folder + name)
        for (const pageSize of [1, 2, 1000]) {
          const asked = { prefix: folder + prefix, pageSize }
          expect(await keysOf(adapter, asked), JSON.stringify(asked)).toEqual(expected.sort(compareKeys))
        }
      }
    },
  },
  {
    name: 'takes prefixes and positions that end in dots, after slashes, backslashes and blanks',
    run: async ({ adapter, folder }) => {
      const names = ['a\\.x', 'a\\..x', 'b/ .x', ' .x', 'c\\._', '._', '.. _', 'd'].sort(compareKeys)
      await putAll(
        adapter,
        names.map((name) => folder + name),
      )
      for (const end of [
        'a\\.',
        'a\\..',
        'b/ .',
        ' .',
        ' ',
        '.',
        '..',
        '.. ',
        'c\\._',
        '._',
        '.. _',
        'a\\..\\x',
        './d',
      ]) {
        const begun = names.filter((name) => name.startsWith(end)).map((name) => folder + name)
        expect(await keysOf(adapter, { prefix: folder + end }), JSON.stringify(end)).toEqual(begun)
        const above = names.filter((name) => compareKeys(name, end) > 0).map((name) => folder + name)
        const asked = { prefix: folder, startAfter: folder + end }
        expect(await keysOf(adapter, asked), JSON.stringify(end)).toEqual(above)
      }
    },
  },
  {
    name: 'starts after any text, key or not',
    run: async ({ adapter, folder }) => {
      const keys = tree.map((name) => folder + name).sort(compareKeys)
      await putAll(adapter, keys)
      const positions = [
        '',
        'a',
        'a-',
        'a-b',
        'b',
        'b/',
        'b/2',
        'b/2/3',
        'b/2/9',
        'b/9',
        'b0',
        'b//',
        '.',
        './x',
        '../',
        'b/2/3/',
        'b/2/3\u0001',
        'b\n',
        'c/d',
        'c/d/e/f',
        'é',
        '\uff5e',
        '😀',
        '😀/z',
        '😁',
      ]
      for (const position of positions) {
        const startAfter = folder + position
        const expected = keys.filter((key) => compareKeys(key, startAfter) > 0)
        expect(await keysOf(adapter, { prefix: folder, startAfter, pageSize: 4 }), position).toEqual(expected)
      }
      expect(await keysOf(adapter, { prefix: folder, startAfter: '!' })).toEqual(keys)
      expect(await keysOf(adapter, { prefix: folder, startAfter: '~' })).toEqual([])
    },
  },
  {
    name: 'takes any text as a prefix, not only folders',
    run: async ({ adapter, folder }) => {
      const keys = tree.map((name) => folder + name).sort(compareKeys)
      await putAll(adapter, keys)
      for (const name of [
        'a',
        'a-',
        'b',
        'b/',
        'b/2',
        'b/2/',
        'c',
        'c/d/e/f',
        'c/d/e/f/',
        'é',
        '😀',
        'none',
        'none/',
        'b//',
        '.',
        '..',
        './',
        '../',
        'b/.',
        'b/..',
        '/',
      ]) {
        const prefix = folder + name
        expect(await keysOf(adapter, { prefix }), name).toEqual(keys.filter((key) => key.startsWith(prefix)))
      }
    },
  },
  {
    name: 'never takes a name that begins alike for the folder',
    run: async ({ adapter, folder }) => {
      await putAll(adapter, [`${folder}zzz/1`, `${folder}zzz-precious/2`, `${folder}zzz.txt`])
      expect(await keysOf(adapter, { prefix: `${folder}zzz/` })).toEqual([`${folder}zzz/1`])
    },
  },
  {
    name: 'folds folders with a delimiter, whatever the size of a page',
    run: async ({ adapter, capabilities, folder }) => {
      if (!capabilities.listing.delimiter) {
        await expectCode(pagesOf(adapter, { prefix: folder, delimiter: '/' }), 'not-supported')
        return
      }
      const names = [...tree.filter((name) => name !== 'a'), 'a']
      await putAll(
        adapter,
        names.map((name) => folder + name),
      )
      const expected = ['.hidden', 'a', 'a-b', 'a.b', 'b-', 'b/', 'c/', 'c0', 'é/', '\uff5e/', '😀/', '😀0']
      for (const pageSize of [1, 2, 3, 1000]) {
        const pages = await pagesOf(adapter, { prefix: folder, delimiter: '/', pageSize })
        expect(merged(pages)).toEqual(expected.map((name) => folder + name))
        for (const page of pages) expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(pageSize)
      }
      expect(merged(await pagesOf(adapter, { prefix: `${folder}b`, delimiter: '/' }))).toEqual([
        `${folder}b-`,
        `${folder}b/`,
      ])
      expect(merged(await pagesOf(adapter, { prefix: `${folder}b/`, delimiter: '/' }))).toEqual([
        `${folder}b/1`,
        `${folder}b/2/`,
      ])
    },
  },
  {
    name: 'starts after any text with a delimiter too: a folder counts as long as a key in it does',
    run: async ({ adapter, capabilities, folder }) => {
      if (!capabilities.listing.delimiter) return
      const names = tree.filter((name) => name !== 'a')
      await putAll(
        adapter,
        names.map((name) => folder + name),
      )
      for (const position of ['a', 'b', 'b-', 'b/', 'b/1', 'b/2/3', 'b/2/4', 'b/9', 'b0', 'c/d/e/f', 'é/x', '😀/z']) {
        const startAfter = folder + position
        const expected = new Set(
          names
            .map((name) => folder + name)
            .filter((key) => compareKeys(key, startAfter) > 0)
            .map((key) => key.replace(new RegExp(`^(${folder}[^/]*/).*$`, 's'), '$1')),
        )
        const pages = await pagesOf(adapter, { prefix: folder, startAfter, delimiter: '/', pageSize: 3 })
        expect(merged(pages), position).toEqual([...expected].sort(compareKeys))
      }
    },
  },
  {
    name: 'lists nothing where nothing is',
    run: async ({ adapter, folder }) => {
      expect(await keysOf(adapter, { prefix: `${folder}nothing/` })).toEqual([])
      expect(merged(await pagesOf(adapter, { prefix: `${folder}nothing/`, delimiter: '/' }))).toEqual([])
    },
  },
  {
    name: 'lists and deletes more keys than go into one page and one request',
    run: async ({ adapter, folder }) => {
      const length = repeats(1050, 2500)
      const keys = Array.from({ length }, (_, i) => `${folder}${String(i % 50).padStart(2, '0')}/${i}`).sort(
        compareKeys,
      )
      await putAll(adapter, keys)
      expect(await keysOf(adapter, { prefix: folder })).toEqual(keys)
      expect(await keysOf(adapter, { prefix: folder, pageSize: 400 })).toEqual(keys)
      const { deleted, failed } = await adapter.deleteMany(keys)
      expect(failed).toEqual([])
      expect(deleted.length).toBe(keys.length)
      expect(await keysOf(adapter, { prefix: folder })).toEqual([])
    },
  },
  {
    name: 'goes on listing while objects that were listed are deleted',
    run: async ({ adapter, folder }) => {
      const keys = Array.from({ length: 60 }, (_, i) => `${folder}${i % 6}/${i}`).sort(compareKeys)
      await putAll(adapter, keys)
      const seen: string[] = []
      for await (const page of adapter.list({ prefix: folder, pageSize: 7 })) {
        seen.push(...page.objects.map(({ key }) => key))
        await adapter.deleteMany(page.objects.map(({ key }) => key))
      }
      expect(seen).toEqual(keys)
      expect(await keysOf(adapter, { prefix: folder })).toEqual([])
    },
  },
  {
    name: 'shows what was written before the listing began, and nothing that was deleted',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}a`, text('a'))
      await adapter.put(`${folder}b`, text('b'))
      await adapter.delete(`${folder}a`)
      await adapter.put(`${folder}c/d`, text('d'))
      expect(await keysOf(adapter, { prefix: folder })).toEqual([`${folder}b`, `${folder}c/d`])
    },
  },
]
