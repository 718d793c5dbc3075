import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Checksum, ChecksumAlgorithm } from '../adapter/index.ts'
import { type CrcKind, type CrcPart, combineCrc } from './combine-crc.ts'
import { crc32c, crc32cPolynomial } from './crc32c.ts'
import { Crc64, crc64Base64, crc64Ecma, crc64Nvme } from './crc64.ts'

/** Computes a checksum as the bytes pass. */
export interface RunningChecksum {
  update(chunk: Uint8Array): void
  /** The checksum of all that passed, in base64. */
  value(): string
}

/** Bytes of each checksum. */
const lengths: Readonly<Record<ChecksumAlgorithm, number>> = {
  md5: 16,
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  crc64ecma: 8,
  sha256: 32,
}

/** A checksum of this algorithm, of no bytes yet. */
export function runningChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  switch (algorithm) {
    case 'crc32':
      return running((chunk, crc) => crc32(chunk, crc))
    case 'crc32c':
      return running(crc32c)
    case 'crc64nvme':
      return wide(new Crc64(crc64Nvme))
    case 'crc64ecma':
      return wide(new Crc64(crc64Ecma))
    case 'md5':
    case 'sha256': {
      const hash = createHash(algorithm)
      return { update: (chunk) => hash.update(chunk), value: () => hash.digest('base64') }
    }
  }
}

function running(step: (chunk: Uint8Array, before: number) => number): RunningChecksum {
  let crc = 0
  return {
    update: (chunk) => {
      crc = step(chunk, crc)
    },
    value: () => crc32Base64(crc),
  }
}

function wide(crc: Crc64): RunningChecksum {
  return { update: (chunk) => crc.update(chunk), value: () => crc64Base64(crc.value) }
}

/** A checksum of 32 bits as base64 of its big-endian bytes: how stores write it. */
function crc32Base64(value: number): string {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes.toString('base64')
}

/** The checksum of bytes that lie in memory. */
export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Checksum {
  const digest = runningChecksum(algorithm)
  digest.update(bytes)
  return { algorithm, value: digest.value() }
}

/** Whether a value can be a checksum of this algorithm: base64 of as many bytes as it has. */
export function isChecksum({ algorithm, value }: Checksum): boolean {
  const bytes = Buffer.from(value, 'base64')
  return bytes.length === lengths[algorithm] && bytes.toString('base64') === value
}

/** The algorithms whose values of parts give that of the whole. */
const kinds: Readonly<Partial<Record<ChecksumAlgorithm, CrcKind>>> = {
  crc32: { width: 32, polynomial: 0xedb88320n },
  crc32c: { width: 32, polynomial: BigInt(crc32cPolynomial) },
  crc64nvme: { width: 64, polynomial: crc64Nvme },
  crc64ecma: { width: 64, polynomial: crc64Ecma },
}

/**
 * The checksum of the whole from those of its parts, in order, without reading the bytes again; `undefined` unless every part has one of
 * this algorithm, and for algorithms that cannot be joined.
 */
export function combinedChecksum(
  algorithm: ChecksumAlgorithm,
  parts: readonly { size: number; checksum?: Checksum }[],
): Checksum | undefined {
  const kind = kinds[algorithm]
  if (kind === undefined) return undefined
  const joined: CrcPart[] = []
  for (const { size, checksum } of parts) {
    if (checksum?.algorithm !== algorithm || !isChecksum(checksum)) return undefined
    joined.push({ crc: BigInt(`0x${Buffer.from(checksum.value, 'base64').toString('hex')}`), length: size })
  }
  const crc = combineCrc(kind, joined)
  return { algorithm, value: kind.width === 32 ? crc32Base64(Number(crc)) : crc64Base64(crc) }
}
