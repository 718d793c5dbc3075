import { at, compareKeys, s3KeyRules } from '@stowage/core'
import { repeats } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LedgerPage } from '../state/index.ts'
import { FakeAdapter } from '../testing/index.ts'
import { decide, FolderWatch, keyFilter, merge, objectFilter, type PlannedObject, type Row } from './index.ts'

/** Keys that are hard on an order: few letters, slashes, and characters on which UTF-8 and UTF-16 disagree. */
const key = fc
  .array(fc.constantFrom('a', 'b', '/', '-', '\u{ffee}', '\u{1f600}', 'é'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join(''))
const keys = fc.uniqueArray(key, { maxLength: 25 }).map((list) => list.sort(compareKeys))
const print = fc.record({ etag: fc.constantFrom('e1', 'e2'), size: fc.constantFrom(1, 2) })

async function* paged<T>(rows: readonly T[], size: number): AsyncGenerator<T[]> {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size)
}

async function all(rows: AsyncIterable<Row[]>): Promise<Row[]> {
  const list: Row[] = []
  for await (const page of rows) list.push(...page)
  return list
}

describe('merge', () => {
  it('agrees with a naive merge of maps', async () => {
    const side = fc.tuple(keys, fc.array(print, { minLength: 25, maxLength: 25 }))
    const size = fc.integer({ min: 1, max: 6 })
    await fc.assert(
      fc.asyncProperty(side, side, side, size, size, size, async (s, t, l, ps, pt, pl) => {
        const objects = ([names, prints]: typeof s): PlannedObject[] =>
          names.map((name, i) => ({ key: name, ...(prints[i] ?? { etag: '', size: 0 }) }))
        const source = objects(s)
        const target = objects(t)
        const ledger = objects(l).map(({ key, ...one }) => ({ key, source: one, target: one }))
        const expected = [...new Set([...source, ...target, ...ledger].map((one) => one.key))]
          .sort(compareKeys)
          .map((name) => ({
            key: name,
            source: source.find((one) => one.key === name),
            target: target.find((one) => one.key === name),
            entry: ledger.find((one) => one.key === name),
          }))
        async function* pages() {
          for await (const entries of paged(ledger, pl)) yield { entries }
        }
        const rows = await all(merge(paged(source, ps), paged(target, pt), pages()))
        expect(rows.map((row) => ({ source: undefined, target: undefined, entry: undefined, ...row }))).toEqual(
          expected,
        )
      }),
      { numRuns: repeats(200, 3000) },
    )
  })

  it('fails when one side fails, and gives the others back', async () => {
    let closed = 0
    async function* endless() {
      try {
        for (let i = 0; ; i++) yield [{ key: `k${String(i).padStart(6, '0')}`, size: 1, etag: 'e' }]
      } finally {
        closed++
      }
    }
    async function* failing() {
      yield [{ key: 'k000003', size: 1, etag: 'e' }]
      throw new Error('page two')
    }
    async function* none(): AsyncGenerator<LedgerPage> {}
    await expect(all(merge(endless(), failing(), none()))).rejects.toThrow('page two')
    await new Promise((resolve) => setImmediate(resolve))
    expect(closed).toBe(1)
  })
})

describe('decide', () => {
  const a = new FakeAdapter({ id: 'a', capabilities: { etagIsMd5: false } })
  const b = new FakeAdapter({ id: 'b', capabilities: { etagIsMd5: false, metadata: 'none' } })

  it('skips only what the ledger vouches for on both sides, and leaves alone what the source does not have', () => {
    const maybe = fc.option(print, { nil: undefined })
    fc.assert(
      fc.property(maybe, maybe, maybe, maybe, fc.boolean(), (source, target, es, et, checksum) => {
        const row: Row = { key: 'k' }
        if (source) row.source = { key: 'k', ...source }
        if (target) row.target = { key: 'k', ...target }
        if (es && et) row.entry = { key: 'k', source: es, target: et }
        const { action } = decide(row, { from: at(a), to: at(b), checksum, createOnly: false })
        const same = (x?: object, y?: object) => x !== undefined && JSON.stringify(x) === JSON.stringify(y)
        const vouched = row.entry !== undefined && same(source, es) && same(target, et)
        if (source === undefined) expect(action).toBe('none')
        else if (target === undefined) expect(action).toBe('copy')
        else if (vouched) expect(action).toBe(checksum ? 'compare' : 'skip')
        else if (checksum && source.size === target.size) expect(['compare', 'copy']).toContain(action)
        else expect(action).toBe('copy')
      }),
      { numRuns: repeats(300, 5000) },
    )
  })
})

describe('filters', () => {
  it.each([
    ['*.tmp', 'a/b/x.tmp', true],
    ['*.tmp', 'x.tmpl', false],
    ['/top.txt', 'top.txt', true],
    ['/top.txt', 'a/top.txt', false],
    ['cache/', 'cache/a/b', true],
    ['cache/', 'cachex/a', false],
    ['a/**/z', 'a/b/c/z', true],
    ['a/*', 'a/b/c', false],
    ['**', '.hidden/.x', true],
    ['*.t[xm]p', 'line\nbreak.txp', true],
  ])('%s on %s: %s', (glob, name, expected) => {
    expect(keyFilter([glob])(name)).toBe(expected)
    expect(keyFilter([], [glob])(name)).toBe(!expected)
  })

  it.each([
    [{}, 0, 0, true],
    [{ minSize: 10 }, 9, 0, false],
    [{ minSize: 10 }, 10, 0, true],
    [{ maxSize: 10 }, 10, 0, true],
    [{ maxSize: 10 }, 11, 0, false],
    [{ minAgeMs: 5 }, 1, 995, true],
    [{ minAgeMs: 5 }, 1, 996, false],
    [{ maxAgeMs: 5 }, 1, 995, true],
    [{ maxAgeMs: 5 }, 1, 994, false],
    [{ minAgeMs: 5, maxAgeMs: 9, minSize: 1, maxSize: 2 }, 2, 993, true],
  ])('%j on %i bytes written at %i: %s', (bounds, size, lastModified, expected) => {
    expect(objectFilter(bounds, 1000)({ key: 'k', etag: 'e', size, lastModified })).toBe(expected)
  })

  it.each(['[', 'a[bc', 'a(b', 'a{b', 'a]'])('%s, which could match nothing, is an error', (glob) => {
    expect(() => keyFilter([], [glob])).toThrow(expect.objectContaining({ code: 'configuration', field: 'exclude' }))
    const meant = glob.replace(/[[({\]})]/, '\\$&')
    expect(keyFilter([meant])(glob)).toBe(true)
  })

  it('an empty glob is an error', () => {
    expect(() => keyFilter([''])).toThrow('include')
  })
})

it('a key that lies below another one is found as a naive search finds it', () => {
  fc.assert(
    fc.property(keys, (list) => {
      const watch = new FolderWatch({ ...s3KeyRules, objectAndFolder: false })
      const taken: string[] = []
      for (const name of list) {
        const expected = taken.find((before) => name.startsWith(`${before}/`))
        expect(watch.next(name)).toBe(expected)
        if (expected === undefined) taken.push(name)
      }
    }),
    { numRuns: repeats(300, 5000) },
  )
})
