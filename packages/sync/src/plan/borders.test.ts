import { compareKeys } from '@stowage/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ledgerBorders, probeBorders } from './borders.ts'

/** A listing of these keys that counts how often it is asked. */
function listing(keys: string[]) {
  const sorted = [...new Set(keys)].sort(compareKeys)
  const asked = { count: 0 }
  const ask = async (after: string) => {
    asked.count++
    return sorted.find((key) => compareKeys(key, after) > 0)
  }
  const sizes = (borders: string[]) =>
    ['', ...borders].map(
      (lo, i) =>
        sorted.filter((key) => compareKeys(key, lo) > 0 && !(borders[i] && compareKeys(key, borders[i]) > 0)).length,
    )
  return { sorted, asked, ask, sizes }
}

const numbered = (stem: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${stem}${String(i).padStart(9, '0')}`)

describe('borders by probes', () => {
  it.each([
    ['numbers behind a long beginning', numbered(`${'deep/'.repeat(60)}part-`, 3000), 3000 / 2],
    [
      'digests',
      Array.from({ length: 3000 }, (_, i) => ((i * 2654435761) % 2 ** 32).toString(16).padStart(8, '0')),
      3000 / 6,
    ],
    ['nearly all below one prefix', [...numbered('a', 5), ...numbered('m/m/', 3000), ...numbered('z', 5)], 1600],
    [
      'characters of all planes',
      Array.from({ length: 3000 }, (_, i) => String.fromCodePoint(0x4e00 + i, 0x1f600 + (i % 50))),
      3000 / 2,
    ],
  ])('divide %s', async (_, keys, largest) => {
    const { sorted, asked, ask, sizes } = listing(keys)
    const borders = await probeBorders(ask, sorted[10] ?? '', null, 15)
    expect(borders.length).toBeGreaterThan(1)
    expect(asked.count).toBeLessThanOrEqual(64)
    expect(Math.max(...sizes(borders))).toBeLessThanOrEqual(largest)
  })

  it('lie in order within the range that is to be divided, whatever the keys', async () => {
    const keys = fc.array(
      fc.string({
        unit: fc.oneof(
          fc.constantFrom('a', '/', '-', '\u{10ffff}', '\u{e000}', '\u{d7ff}', '\u0000'),
          fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        ),
        minLength: 1,
        maxLength: 9,
      }),
      { minLength: 2, maxLength: 60 },
    )
    await fc.assert(
      fc.asyncProperty(keys, fc.nat(59), fc.boolean(), async (some, from, bounded) => {
        const { sorted, ask } = listing(some.filter((key) => key.isWellFormed()))
        const after = sorted[from % Math.max(1, sorted.length)] ?? 'a'
        const until = bounded ? (sorted.at(-2) ?? null) : null
        const borders = await probeBorders(ask, after, until, 7)
        expect(borders).toEqual([...new Set(borders)].sort(compareKeys))
        for (const border of borders) {
          expect(compareKeys(border, after)).toBeGreaterThan(0)
          if (until !== null) expect(compareKeys(border, until)).toBeLessThanOrEqual(0)
          expect(border.isWellFormed()).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})

it('borders by the ledger have about as many entries between them', () => {
  const refs = Array.from({ length: 100 }, (_, i) => ({
    first: `k${100 + i}`,
    last: `k${100 + i}z`,
    count: i,
    record: 'r',
    level: 0,
  }))
  const borders = ledgerBorders(refs, 'k110', null, 3)
  expect(borders).toHaveLength(3)
  const entries = ['k110z', ...borders].map((lo, i) =>
    refs.filter(({ last }) => last > lo && last <= (borders[i] ?? 'z')).reduce((sum, { count }) => sum + count, 0),
  )
  expect(Math.max(...entries) - Math.min(...entries)).toBeLessThan(200)
})
