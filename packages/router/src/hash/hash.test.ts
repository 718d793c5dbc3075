import { expect, test } from 'vitest'
import { canonicalJson } from './canonical.ts'
import { hashText, toHex, toUnit } from './hash.ts'

test('the hash never changes: it is in logs and decides where datasets lie', () => {
  expect(['', 'a', 'dataset-1', '猫'].map((text) => toHex(hashText(text)))).toMatchInlineSnapshot(`
    [
      "bc636e61fd4bc55b",
      "ffd3b785bcbab236",
      "9af58456461cd20d",
      "32885bed81bc8584",
    ]
  `)
})

test('is spread evenly: every bit of both lanes is set half the time', () => {
  const texts = Array.from({ length: 20_000 }, (_, i) => `k${i}`)
  const bits = new Array<number>(64).fill(0)
  for (const text of texts) {
    const [high, low] = hashText(text)
    for (let i = 0; i < 32; i++) {
      bits[i] = (bits[i] ?? 0) + ((high >>> i) & 1)
      bits[i + 32] = (bits[i + 32] ?? 0) + ((low >>> i) & 1)
    }
  }
  // Six standard deviations of 20,000 fair coins.
  for (const count of bits) expect(Math.abs(count - 10_000)).toBeLessThan(6 * Math.sqrt(5000))
})

test('does not collide among many short, similar texts', () => {
  const seen = new Set<string>()
  for (let i = 0; i < 100_000; i++) seen.add(toHex(hashText(String(i))))
  expect(seen.size).toBe(100_000)
})

test('a unit is above 0 and below 1 at the ends', () => {
  expect(toUnit([0, 0])).toBeGreaterThan(0)
  expect(toUnit([0xffffffff, 0xffffffff])).toBeLessThan(1)
})

test('canonical JSON does not depend on the order of fields', () => {
  expect(canonicalJson({ b: 1, a: [{ d: null, c: 'x' }], e: undefined })).toBe('{"a":[{"c":"x","d":null}],"b":1}')
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]))
})
