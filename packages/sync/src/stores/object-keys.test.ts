import { checkKey, compareKeys, s3KeyRules } from '@stowage/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { objectKey, objectPrefix, recordKey } from './object-keys.ts'

const keys = fc
  .array(fc.constantFrom(...'az09._-/'), { minLength: 1, maxLength: 512 })
  .map((chars) => chars.join(''))
  .chain((key) =>
    fc.oneof(fc.constant(key), fc.constant('k'.repeat(512 - key.length) + key), fc.constant(key.slice(0, 200))),
  )

/** What the strictest of the stores takes. */
const strict = { ...s3KeyRules, maxSegmentBytes: 255, emptySegments: false, dotSegments: false, leadingSlash: false }

it('writes every record key as an object key that every store takes, and reads it back', () => {
  fc.assert(
    fc.property(keys, (key) => {
      expect(checkKey(objectKey(key), strict)).toBeUndefined()
      expect(recordKey(objectKey(key))).toBe(key)
    }),
  )
})

it('sorts object keys as record keys, and finds those with a prefix by theirs', () => {
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      expect(Math.sign(compareKeys(objectKey(a), objectKey(b)))).toBe(Math.sign(compareKeys(a, b)))
      expect(objectKey(a).startsWith(objectPrefix(b))).toBe(a.startsWith(b))
      // No object is a folder of another.
      expect(objectKey(a).startsWith(`${objectKey(b)}/`)).toBe(false)
    }),
  )
})

it('takes other objects for no records', () => {
  for (const key of ['', 'clock', 'a', 'a/!', '!x', 'a.!', `${'k'.repeat(201)}!`])
    expect(recordKey(key)).toBeUndefined()
})
