import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeMetadataValue, encodeMetadataValue } from './header-values.ts'

describe('metadata values in headers', () => {
  it('come back as they were, whatever the text, and are always ASCII that a header can carry', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc.string({ unit: 'binary' }),
          fc.constantFrom('=?UTF-8?B?eA==?=', '', ' ', 'a  b'),
        ),
        (value) => {
          const encoded = encodeMetadataValue(value)
          expect(encoded).toMatch(/^[\x20-\x7e]*$/)
          expect(encoded).toBe(encoded.trim())
          expect(decodeMetadataValue(encoded)).toBe(value)
        },
      ),
      { numRuns: runs(500, 20_000), seed: testSeed() },
    )
  })

  it('leave plain text plain, and read what AWS writes', () => {
    expect(encodeMetadataValue('plain value; x="1"')).toBe('plain value; x="1"')
    expect(decodeMetadataValue('=?UTF-8?Q?Gr=C3=B6=C3=9Fe_1?=')).toBe('Größe 1')
    expect(decodeMetadataValue('=?UTF-8?B?w6Q=?=')).toBe('ä')
  })
})
