import { expectCode } from '@stowage/core/testing'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterPrefix, fromBytes, toBytes } from './bytes.ts'

test('text comes back as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(fromBytes(toBytes(text, 'name'))).toBe(text)
    }),
    { numRuns: runs(200, 5000), seed: testSeed() },
  )
})

test('a lone surrogate is refused', async () => {
  await expectCode((async () => toBytes('a\ud800', 'name'))(), 'invalid-request')
})

test('the end of a prefix is above all that begin with it and below all others that follow', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 6 }), (prefix, other) => {
      const before = Buffer.from(prefix)
      const end = afterPrefix(prefix)
      expect(Buffer.compare(before, prefix)).toBe(0)
      const begins = Buffer.compare(Buffer.from(other).subarray(0, prefix.length), prefix) === 0
      const within = Buffer.compare(other, prefix) >= 0 && (end === undefined || Buffer.compare(other, end) < 0)
      expect(within).toBe(begins)
    }),
    { numRuns: runs(500, 20_000), seed: testSeed() },
  )
})
