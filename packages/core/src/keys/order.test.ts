import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareKeys, utf8Length } from './order.ts'

/** Any text, and texts about the places where UTF-8 and UTF-16 order differently. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      '/',
      '\u007f',
      '\u0080',
      '\ud7ff',
      '\ue000',
      '\uff01',
      '\uffff',
      '\u{10000}',
      '\u{10ffff}',
      '😀',
    ),
  }),
)
const options = { numRuns: runs(2000, 200_000), seed: testSeed() }

test('compares as the bytes of UTF-8 do', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    options,
  )
})

test('also when one begins like the other', () => {
  fc.assert(
    fc.property(text, text, text, (start, a, b) => {
      expect(Math.sign(compareKeys(start + a, start + b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    options,
  )
})

test('differs from the order of JavaScript where it must', () => {
  expect('\uff01' < '😀').toBe(false)
  expect(compareKeys('\uff01', '😀')).toBeLessThan(0)
  expect(['😀', 'b', '\uffff', 'a/b', 'a-b', 'a'].sort(compareKeys)).toEqual(['a', 'a-b', 'a/b', 'b', '\uffff', '😀'])
})

test('counts bytes', () => {
  expect(['', 'a', 'é', '猫', '😀'].map(utf8Length)).toEqual([0, 1, 2, 3, 4])
})
