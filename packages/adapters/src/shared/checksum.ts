import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type Checksum, StowageError } from '@stowage/core'
import { type Called, notSupported } from './calls.ts'

/** Checks a checksum as the bytes pass. */
export interface ChecksumCheck {
  update(chunk: Uint8Array): void
  /** @throws StowageError `integrity` when the bytes had another checksum */
  finish(): void
}

/** The checksum of bytes as base64 of its big-endian bytes: how stores write a CRC32. */
export function crc32Base64(value: number): string {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes.toString('base64')
}

/** A check that computes the checksum here, for the two algorithms that Node computes natively. */
export function checksumCheck(adapter: Called, key: string, checksum: Checksum): ChecksumCheck {
  const compare = (actual: string): void => {
    if (actual !== checksum.value) throw wrongChecksum(adapter, key, checksum.algorithm)
  }
  if (checksum.algorithm === 'crc32') {
    let crc = 0
    return {
      update: (chunk) => {
        crc = crc32(chunk, crc)
      },
      finish: () => compare(crc32Base64(crc)),
    }
  }
  if (checksum.algorithm === 'sha256') {
    const hash = createHash('sha256')
    return { update: (chunk) => hash.update(chunk), finish: () => compare(hash.digest('base64')) }
  }
  throw notSupported(adapter, `the checksum ${checksum.algorithm}`)
}

/** The error for bytes that are not those the caller named. */
export function wrongChecksum(adapter: Called, key: string, algorithm: string, cause?: unknown): StowageError {
  return new StowageError(
    'integrity',
    `${adapter.id}: the bytes of ${JSON.stringify(key)} do not have the given ${algorithm}.`,
    {
      key,
      sourceId: adapter.id,
      ...(cause === undefined ? {} : { cause }),
    },
  )
}
