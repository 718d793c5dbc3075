import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type Checksum, combinedChecksum, type MultipartCapabilities, type ObjectInfo } from '@stowage/core'
import { isMd5 } from '../plan/index.ts'
import type { SentPart } from '../state/index.ts'
import { crc32Combine } from './crc32-combine.ts'
import { crcBase64 } from './read.ts'

/**
 * How a large object can be held against what its source says of it, although it is read in ranges that no checksum covers:
 * - `crc32`: the source knows the CRC-32 of the whole; those of the parts are combined;
 * - `checksum`: the source knows another checksum of the whole that those of parts can be joined to;
 * - `crc32-parts`, `md5-parts`: the source was uploaded in parts and knows a checksum of their checksums; ours have the same boundaries;
 * - `md5`: the source knows the MD5 of the whole; it is computed in order, as the parts come;
 * - `none`: nothing to hold it against.
 */
export type Evidence = 'crc32' | 'crc32-parts' | 'checksum' | 'md5-parts' | 'md5' | 'none'

/** Parts larger than this are not made only to have the source's boundaries, in bytes. */
const largestAligned = 32 * 1024 * 1024

const MiB = 1024 * 1024

/** Part sizes that tools use, in the order of how common they are. */
const usual = [8, 5, 16, 10, 64, 15, 20, 25, 32, 50, 100, 128].map((size) => size * MiB)

/**
 * The size of the source's own parts, as far as their number tells: the first of the usual sizes that gives that number, or else the smallest
 * number of whole MiB that does.
 */
export function guessPartSize(size: number, parts: number, likely: number): number | undefined {
  const fits = (partSize: number): boolean => Math.ceil(size / partSize) === parts
  const whole = Math.ceil(size / parts / MiB) * MiB
  return [likely, ...usual, whole].find(fits)
}

/** How many parts a checksum of checksums, or an etag like one, was made of. */
function partsOf(value: string | undefined): number | undefined {
  const found = value === undefined ? null : /-(\d+)$/.exec(value)
  return found === null ? undefined : Number(found[1])
}

/** The part size with which the source's own checksums can be used, if one is known and the target takes it. */
export function alignedPartSize(
  info: ObjectInfo,
  etagIsMd5: boolean,
  wanted: number,
  limits: MultipartCapabilities,
): number | undefined {
  if (info.checksums?.crc32 !== undefined && partsOf(info.checksums.crc32) === undefined) return undefined
  const parts = partsOf(info.checksums?.crc32) ?? (etagIsMd5 ? partsOf(info.etag) : undefined)
  if (parts === undefined) return undefined
  const size = guessPartSize(info.size, parts, wanted)
  const possible =
    size !== undefined && size >= limits.minPartSize && size <= Math.min(limits.maxPartSize, largestAligned)
  return possible && parts <= limits.maxParts ? size : undefined
}

/** A checksum of the whole object that those of its parts can be joined to, however they are cut; the one that costs least. */
export function joinable({ checksums }: ObjectInfo): Checksum | undefined {
  for (const algorithm of ['crc32c', 'crc64nvme', 'crc64ecma'] as const) {
    const value = checksums?.[algorithm]
    if (value !== undefined && !value.includes('-')) return { algorithm, value }
  }
  return undefined
}

/** What is known of an object before its parts are read. */
export interface Known {
  /** Whether the source's etags are MD5s. */
  etagIsMd5: boolean
  partSize: number
  /** Nothing of it was read before. */
  fresh: boolean
  /** What the source tells of its own parts is of no use. */
  misled: boolean
}

/** What kind of evidence there is for an object that goes in parts. */
export function evidenceFor(info: ObjectInfo, { etagIsMd5, partSize, fresh, misled }: Known): Evidence {
  const crc = info.checksums?.crc32
  const count = Math.ceil(info.size / partSize)
  if (crc !== undefined) {
    const parts = partsOf(crc)
    if (parts === undefined) return 'crc32'
    if (parts === count) return 'crc32-parts'
  }
  const isJoinable = joinable(info) !== undefined
  // The target computes those of parts in any case.
  if (etagIsMd5 && partsOf(info.etag) === count && !(misled && isJoinable)) return 'md5-parts'
  if (isJoinable) return 'checksum'
  return etagIsMd5 && fresh && isMd5(info.etag) ? 'md5' : 'none'
}

/** Parts that may wait for an earlier one to be hashed. With more, the MD5 of the whole is given up. */
const waitingParts = 8

/** The MD5 of an object whose parts come out of order. */
export class OrderedMd5 {
  readonly #hash: Hash = createHash('md5')
  readonly #waiting = new Map<number, Uint8Array>()
  readonly #seen = new Map<number, number>()
  #next = 1
  #broken = false

  /** Takes a part. False when it was read before, with other bytes. */
  add(number: number, bytes: Uint8Array, crc: number): boolean {
    const before = this.#seen.get(number)
    if (before !== undefined) return before === crc
    this.#seen.set(number, crc)
    if (this.#broken) return true
    this.#waiting.set(number, bytes)
    for (let ready = this.#waiting.get(this.#next); ready !== undefined; ready = this.#waiting.get(this.#next)) {
      this.#hash.update(ready)
      this.#waiting.delete(this.#next++)
    }
    if (this.#waiting.size > waitingParts) {
      this.#broken = true
      this.#waiting.clear()
    }
    return true
  }

  /** The digest of `count` parts, unless it was given up. */
  finish(count: number): string | undefined {
    return this.#broken || this.#next !== count + 1 ? undefined : this.#hash.digest('hex')
  }
}

/** Whether the parts are what the source says: `undefined` when that cannot be told. */
export function holdsAgainst(
  evidence: Evidence,
  info: ObjectInfo,
  parts: readonly SentPart[],
  ordered: OrderedMd5 | undefined,
): boolean | undefined {
  switch (evidence) {
    case 'crc32':
      return combined(parts) === info.checksums?.crc32
    case 'crc32-parts': {
      const joined = Buffer.concat(parts.map((part) => Buffer.from(crcBase64(part.crc32 ?? 0), 'base64')))
      return `${crcBase64(crc32(joined))}-${parts.length}` === info.checksums?.crc32
    }
    case 'checksum': {
      const said = joinable(info)
      if (said === undefined) return undefined
      const { algorithm } = said
      const summed = parts.map(({ size, sum }) =>
        sum === undefined ? { size } : { size, checksum: { algorithm, value: sum } },
      )
      const joined = combinedChecksum(algorithm, summed)
      return joined === undefined ? undefined : joined.value === said.value
    }
    case 'md5-parts': {
      const joined = Buffer.concat(parts.map((part) => Buffer.from(part.md5 ?? '', 'hex')))
      return `${createHash('md5').update(joined).digest('hex')}-${parts.length}` === info.etag.toLowerCase()
    }
    case 'md5': {
      const digest = ordered?.finish(parts.length)
      return digest === undefined ? undefined : digest === info.etag.toLowerCase()
    }
    case 'none':
      return undefined
  }
}

function combined(parts: readonly SentPart[]): string {
  return crcBase64(parts.reduce((crc, part) => crc32Combine(crc, part.crc32 ?? 0, part.size), 0))
}
