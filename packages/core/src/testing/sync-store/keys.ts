import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../keys/index.ts'
import { MAX_RECORD_KEY } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { repeats } from '../level.ts'
import { seededRandom } from '../seeded-random.ts'
import type { Fresh } from './under-test.ts'
import { bytes, read } from './writes.ts'

/** Each of these is one key, whatever a file system or a bucket would make of it. */
const lookAlikes = [
  'a',
  'a/',
  'a/b',
  'a//b',
  '/a',
  '//',
  '.',
  '..',
  'a/.',
  'a/..',
  'a/../b',
  'a.',
  '-',
  '_',
  'a/b.tmp',
  'con',
  'nul',
]

export function keyTests(fresh: Fresh): void {
  describe('keys', () => {
    test.for([
      ['empty', ''],
      ['too long', 'k'.repeat(MAX_RECORD_KEY + 1)],
      ['an upper-case letter', 'A'],
      ['a space', 'a b'],
      ['a line break', 'a\n'],
      ['not ASCII', 'é'],
      ['a backslash', 'a\\b'],
      ['NUL', 'a\0'],
      ['a percent sign', 'a%2fb'],
    ] as const)('refuses a key that is %s', async ([, key]) => {
      const { store } = await fresh()
      await expectCode(store.put(key, bytes('x'), null), 'invalid-key')
      await expectCode(store.get(key), 'invalid-key')
      await expectCode(store.delete(key), 'invalid-key')
      expect(await store.list('')).toEqual([])
    })

    test('takes the longest key, in one part and in many', async () => {
      const { store } = await fresh()
      const keys = ['k'.repeat(MAX_RECORD_KEY), `${'a/'.repeat(MAX_RECORD_KEY / 2 - 1)}bc`]
      for (const key of keys) await store.put(key, bytes(key.slice(0, 3)), null)
      for (const key of keys) expect(await read(store, key)).toBe(key.slice(0, 3))
      expect(await store.list('')).toEqual([...keys].sort(compareKeys))
    })

    test('keys that look alike to a file system stay apart', async () => {
      const { store } = await fresh()
      for (const key of lookAlikes) await store.put(key, bytes(`value of ${key}`), null)
      for (const key of lookAlikes) expect(await read(store, key)).toBe(`value of ${key}`)
      expect(await store.list('')).toEqual([...lookAlikes].sort(compareKeys))
      await store.delete('a')
      expect(await read(store, 'a/b')).toBe('value of a/b')
      expect(await store.list('a')).toEqual(
        lookAlikes.filter((key) => key.startsWith('a') && key !== 'a').sort(compareKeys),
      )
    })

    test('lists a prefix in byte order, whatever order the keys came in', async () => {
      const { store } = await fresh()
      const keys = ['t/b', 't/a', 't-x', 't.x', 't/', 't0', 't_', 'ta', 's/z', 'u', 't/a/1', 't/a-1', 't']
      for (const key of keys) await store.put(key, bytes('x'), null)
      expect(await store.list('')).toEqual([...keys].sort(compareKeys))
      expect(await store.list('t/')).toEqual(['t/', 't/a', 't/a-1', 't/a/1', 't/b'])
      expect(await store.list('t/a')).toEqual(['t/a', 't/a-1', 't/a/1'])
      expect(await store.list('none/')).toEqual([])
    })

    test('pages with after and limit', async () => {
      const { store } = await fresh()
      const keys = Array.from({ length: 11 }, (_, i) => `p/${String(i).padStart(2, '0')}`)
      for (const key of [...keys].reverse()) await store.put(key, bytes('x'), null)
      await store.put('q', bytes('x'), null)
      const pages: string[][] = []
      for (let after: string | undefined; ; ) {
        const page = await store.list('p/', { limit: 4, ...(after === undefined ? {} : { after }) })
        pages.push(page)
        after = page.at(-1)
        if (page.length < 4) break
      }
      expect(pages.map((page) => page.length)).toEqual([4, 4, 3])
      expect(pages.flat()).toEqual(keys)
      expect(await store.list('p/', { after: 'p/05x' })).toEqual(keys.slice(6))
      expect(await store.list('p/', { after: 'a' })).toEqual(keys)
      expect(await store.list('p/', { after: 'z' })).toEqual([])
      expect(await store.list('p/', { limit: 1 })).toEqual(['p/00'])
      expect(await store.list('p/', { limit: 0 })).toEqual([])
    })

    test('lists all of many keys when no limit is given', async () => {
      const { store } = await fresh()
      const keys = Array.from({ length: repeats(120, 2500) }, (_, i) => `many/${String(i).padStart(5, '0')}`)
      for (let at = 0; at < keys.length; at += 20) {
        await Promise.all(keys.slice(at, at + 20).map((key) => store.put(key, bytes('x'), null)))
      }
      expect(await store.list('many/')).toEqual(keys)
    })

    test('does what a sorted map does, over random operations', async () => {
      const { store } = await fresh()
      const seed = 20_260_101
      const random = seededRandom(seed)
      const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T
      const keys = ['a', 'a/b', 'a-b', 'a/b/c', 'b', 'b.c', 'c/']
      const model = new Map<string, { text: string; revision: string }>()
      const note = `seed ${seed}`
      for (let i = 0; i < repeats(120, 1500); i++) {
        const key = pick(keys)
        const known = model.get(key)
        const action = pick(['put', 'put', 'stale', 'delete', 'list', 'get'])
        if (action === 'put') {
          const revision = await store.put(key, bytes(`v${i}`), known?.revision ?? null)
          model.set(key, { text: `v${i}`, revision })
        } else if (action === 'stale') {
          await expectCode(store.put(key, bytes('stale'), known === undefined ? '999999999' : null), 'conflict')
        } else if (action === 'delete') {
          await store.delete(key, random.next() < 0.5 ? known?.revision : undefined)
          model.delete(key)
        } else if (action === 'list') {
          const prefix = pick(['', 'a', 'a/', 'b', 'zz'])
          const expected = [...model.keys()].filter((other) => other.startsWith(prefix)).sort(compareKeys)
          expect(await store.list(prefix), note).toEqual(expected)
        } else {
          expect(await read(store, key), note).toBe(known?.text)
        }
      }
    })
  })
}
