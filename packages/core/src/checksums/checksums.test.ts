import { createHash } from 'node:crypto'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ChecksumAlgorithm } from '../adapter/index.ts'
import { checksumOf, combinedChecksum, isChecksum, runningChecksum } from './checksums.ts'

function patternBytes(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7) ^ (i >> 8)))
}

const hex = (algorithm: ChecksumAlgorithm, bytes: Uint8Array): string =>
  Buffer.from(checksumOf(algorithm, bytes).value, 'base64').toString('hex')

const crcs = ['crc32', 'crc32c', 'crc64nvme', 'crc64ecma'] as const

describe('checksums', () => {
  it('have the values of the catalogue of CRCs for "123456789"', () => {
    const digits = Buffer.from('123456789')
    expect(hex('crc32', digits)).toBe('cbf43926')
    expect(hex('crc32c', digits)).toBe('e3069283')
    expect(hex('crc64nvme', digits)).toBe('ae8b14860a799888')
    expect(hex('crc64ecma', digits)).toBe('995dc9bbdf1939fa')
    expect(hex('sha256', digits)).toBe(createHash('sha256').update(digits).digest('hex'))
  })

  it('have the value of RFC 3720 for 32 bytes that rise', () => {
    expect(
      hex(
        'crc32c',
        Uint8Array.from({ length: 32 }, (_, i) => i),
      ),
    ).toBe('46dd794e')
  })

  it('do not depend on where the chunks end, and are joined from those of the parts', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...crcs),
        fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }),
        (algorithm, chunks) => {
          const digest = runningChecksum(algorithm)
          for (const chunk of chunks) digest.update(chunk)
          const whole = checksumOf(algorithm, Buffer.concat(chunks))
          expect(digest.value()).toBe(whole.value)
          const parts = chunks.map((chunk) => ({ size: chunk.length, checksum: checksumOf(algorithm, chunk) }))
          expect(combinedChecksum(algorithm, parts)).toEqual(whole)
        },
      ),
      { numRuns: runs(200, 5000), seed: testSeed() },
    )
  })

  it('are joined over long parts too, and not from others', () => {
    const bytes = patternBytes(3_000_001)
    for (const algorithm of crcs) {
      const parts = [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)].map((part) => ({
        size: part.length,
        checksum: checksumOf(algorithm, part),
      }))
      expect(combinedChecksum(algorithm, parts)).toEqual(checksumOf(algorithm, bytes))
      expect(combinedChecksum(algorithm, [...parts, { size: 0 }])).toBeUndefined()
    }
    expect(combinedChecksum('sha256', [{ size: 1, checksum: checksumOf('sha256', bytes) }])).toBeUndefined()
  })

  it('are told from what cannot be one', () => {
    for (const algorithm of [...crcs, 'sha256'] as const) {
      const checksum = checksumOf(algorithm, Buffer.from('x'))
      expect(isChecksum(checksum)).toBe(true)
      for (const value of ['', 'AAA', `${checksum.value}AAAA`, checksum.value.replace(/=+$/, ''), '!!!!'])
        expect(isChecksum({ algorithm, value }), value).toBe(value === checksum.value)
    }
  })
})
