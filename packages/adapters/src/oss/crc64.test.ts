import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Crc64, combineCrc64, crc64Base64, crc64FromBase64, crc64FromHeader } from './crc64.ts'

/** Bit by bit, as the definition has it. */
function slow(bytes: Uint8Array): bigint {
  let crc = 0xffffffffffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0xc96c5795d7870f42n : crc >> 1n
  }
  return crc ^ 0xffffffffffffffffn
}

const options = { numRuns: runs(300, 10_000), seed: testSeed() }

describe('crc64', () => {
  it('has the check value of its catalogue', () => {
    expect(new Crc64().update(Buffer.from('123456789')).value).toBe(0x995dc9bbdf1939fan)
    expect(new Crc64().value).toBe(0n)
  })

  it('is that of the definition, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (chunks) => {
        const crc = new Crc64()
        for (const chunk of chunks) crc.update(chunk)
        expect(crc.value).toBe(slow(Buffer.concat(chunks)))
      }),
      options,
    )
  })

  it('joins those of parts to that of the whole', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), (parts) => {
        const joined = combineCrc64(parts.map((part) => ({ crc: new Crc64().update(part).value, length: part.length })))
        expect(joined).toBe(new Crc64().update(Buffer.concat(parts)).value)
      }),
      options,
    )
  })

  it('reads what headers and checksums carry, and nothing else', () => {
    expect(crc64FromHeader('11051210869376104954')).toBe(0x995dc9bbdf1939fan)
    for (const wrong of [undefined, '', '-1', '0x1', '99999999999999999999'])
      expect(crc64FromHeader(wrong)).toBeUndefined()
    expect(crc64FromBase64(crc64Base64(0x995dc9bbdf1939fan))).toBe(0x995dc9bbdf1939fan)
    expect(crc64FromBase64('AAAA')).toBeUndefined()
  })
})
