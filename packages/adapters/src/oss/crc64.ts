import { Crc64 as AnyCrc64, combineCrc, crc64Ecma } from '@stowage/core'

export { crc64Base64 } from '@stowage/core'

/** CRC-64/XZ (ECMA-182), which OSS tells of every object as `x-oss-hash-crc64ecma`, of bytes as they pass. */
export class Crc64 extends AnyCrc64 {
  constructor() {
    super(crc64Ecma)
  }
}

/** The value of a checksum in base64, or `undefined` when it is none. */
export function crc64FromBase64(text: string): bigint | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === 8 ? bytes.readBigUInt64BE() : undefined
}

/** The value of `x-oss-hash-crc64ecma`, a decimal number. */
export function crc64FromHeader(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined
  const value = BigInt(text)
  return value <= 0xffffffffffffffffn ? value : undefined
}

/** Joins checksums of parts to that of the whole, in order. `length` in bytes. */
export function combineCrc64(parts: Iterable<{ crc: bigint; length: number }>): bigint {
  return combineCrc({ width: 64, polynomial: crc64Ecma }, parts)
}
