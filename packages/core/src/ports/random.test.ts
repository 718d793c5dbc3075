import { expect, test } from 'vitest'
import { seededRandom } from '../testing/index.ts'
import { systemRandom, ulid } from './random.ts'

test('a ULID is 26 characters, of time and of chance', () => {
  // The example of the ULID specification's reference implementation, for the time.
  expect(ulid(1_469_918_176_385, new Uint8Array(10))).toBe('01aryz6s410000000000000000')
  expect(ulid(0, new Uint8Array(10).fill(255))).toBe('0000000000zzzzzzzzzzzzzzzz')
  expect(ulid(2 ** 48 - 1, new Uint8Array(10))).toBe('7zzzzzzzzz0000000000000000')
})

test('every bit of chance is used, each in its place', () => {
  const seen = new Set<string>()
  for (let bit = 0; bit < 80; bit++) {
    const chance = new Uint8Array(10)
    chance[bit >> 3] = 128 >> (bit & 7)
    seen.add(ulid(0, chance))
  }
  expect(seen.size).toBe(80)
  expect([...seen].sort().reverse()).toEqual([...seen])
})

test('ids sort by time', () => {
  const ids = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001].map((now) => systemRandom.id(now))
  expect([...ids].sort()).toEqual(ids)
  expect(ids.every((id) => /^[0-9a-hjkmnp-tv-z]{26}$/.test(id))).toBe(true)
})

test('the machine’s chance does not repeat and stays within its bounds', () => {
  const ids = new Set(Array.from({ length: 1000 }, () => systemRandom.id(5)))
  expect(ids.size).toBe(1000)
  const value = systemRandom.next()
  expect(value >= 0 && value < 1).toBe(true)
})

test('seeded chance repeats, and differs by seed', () => {
  const take = (seed: number): unknown[] => {
    const random = seededRandom(seed)
    return [random.next(), random.next(), random.id(1000), random.id(1000)]
  }
  expect(take(1)).toEqual(take(1))
  expect(take(1)).not.toEqual(take(2))
  expect(new Set(take(1)).size).toBe(4)
  const random = seededRandom(3)
  const values = Array.from({ length: 10_000 }, () => random.next())
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...values)).toBeLessThan(1)
  expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length - 0.5)).toBeLessThan(0.02)
})
