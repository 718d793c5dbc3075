import { runs } from '@stowage/test-support'
import { expect, test } from 'vitest'
import { hashText } from '../hash/index.ts'
import { rendezvous } from './rendezvous.ts'

const weights: Record<string, number> = { a: 1, b: 2, c: 5, d: 2 }
const keys = Array.from({ length: runs(40_000, 500_000) }, (_, i) => `dataset-${i}`)

function first(key: string, sources: readonly string[]): string {
  const hash = hashText(key)
  const place = (id: string): number => rendezvous(hash, id, weights[id] ?? 1)
  return [...sources].sort((x, y) => place(x) - place(y))[0] ?? ''
}

test('each source comes first as often as its weight says', () => {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 }
  for (const key of keys) counts[first(key, ['a', 'b', 'c', 'd'])] = (counts[first(key, ['a', 'b', 'c', 'd'])] ?? 0) + 1
  for (const [id, weight] of Object.entries(weights)) {
    const expected = weight / 10
    // Five standard deviations of a fair draw.
    const tolerance = 5 * Math.sqrt((expected * (1 - expected)) / keys.length)
    expect(Math.abs((counts[id] ?? 0) / keys.length - expected), `share of ${id}`).toBeLessThan(tolerance)
  }
})

test('taking a source away moves only its own keys, and those by weight', () => {
  const moved: Record<string, number> = {}
  for (const key of keys) {
    const before = first(key, ['a', 'b', 'c', 'd'])
    const after = first(key, ['a', 'b', 'd'])
    if (before !== 'c') expect(after).toBe(before)
    else moved[after] = (moved[after] ?? 0) + 1
  }
  const total = Object.values(moved).reduce((sum, count) => sum + count, 0)
  expect(Math.abs((moved['a'] ?? 0) / total - 0.2)).toBeLessThan(0.02)
  expect(Object.keys(moved).sort()).toEqual(['a', 'b', 'd'])
})

test('a weight of 0, or none that makes sense, comes last, as a number that JSON can say', () => {
  for (const weight of [0, -1, Number.NaN]) expect(rendezvous(hashText('k'), 'a', weight)).toBe(Number.MAX_VALUE)
  expect(rendezvous(hashText('k'), 'a', Number.MIN_VALUE)).toBe(Number.MAX_VALUE)
  expect(rendezvous(hashText('k'), 'a', 1)).toBeGreaterThan(0)
})
