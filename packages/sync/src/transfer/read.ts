import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import {
  BLOCK_SIZE,
  blockDigests,
  type Checksum,
  type ChecksumAlgorithm,
  checksumOf,
  type GetOptions,
  hasCode,
  type ObjectInfo,
  onBytesIn,
  readExactly,
  StowageError,
} from '@stowage/core'
import { bareEtag, isMd5, sameEtag } from '../plan/index.ts'
import type { TransferContext } from './context.ts'

/** What a read must find: the object that the plan, or the first request, saw. */
export interface ReadPin {
  key: string
  size: number
  /** Unknown only for the first read of an object that a manifest named. */
  etag: string | undefined
  versionId: string | undefined
}

/** Bytes of an object, or a part of it, that are those of the pinned object. */
export interface ReadBytes {
  info: ObjectInfo
  bytes: Uint8Array
}

/**
 * Reads an object, or a range of it, into memory, which may be given back when nobody looks at it any more. Every read is pinned to the etag and
 * the length.
 * @throws StowageError `source-changed` when the object is another one by now
 */
export async function readPinned(
  context: TransferContext,
  pin: ReadPin,
  range: { start: number; length: number } | undefined,
  signal: AbortSignal,
): Promise<ReadBytes> {
  const { info, body, length } = await openPinned(context, pin, range, signal)
  return { info, bytes: await readExactly(body, length, context.buffers) }
}

/** Opens an object as {@link readPinned} does; the stream checks its own length. @param onBytes told of what passes */
export async function openPinned(
  context: TransferContext,
  pin: ReadPin,
  range: { start: number; length: number } | undefined,
  signal: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<{ info: ObjectInfo; body: AsyncIterable<Uint8Array>; length: number }> {
  const { info, body, length } = await openRange(context, pin, range, signal)
  if (onBytes !== undefined) onBytesIn(body, onBytes)
  return { info, body: context.bandwidth === undefined ? body : held(context, body, signal), length }
}

/** Opens an object as {@link openPinned} does, whatever the limit of bandwidth. */
export async function openRange(
  context: TransferContext,
  pin: ReadPin,
  range: { start: number; length: number } | undefined,
  signal: AbortSignal,
): Promise<{ info: ObjectInfo; body: Readable; length: number }> {
  const { adapter, prefix } = context.from
  const options: GetOptions = { signal }
  if (range !== undefined) options.range = range
  if (pin.etag !== undefined && adapter.capabilities.conditional.get) options.ifMatch = pin.etag
  if (pin.versionId !== undefined) options.versionId = pin.versionId
  try {
    const { info, body, range: got } = await adapter.get(prefix + pin.key, options)
    const length = range?.length ?? pin.size
    if (info.size !== pin.size || (pin.etag !== undefined && !sameEtag(info.etag, pin.etag)) || got.length !== length) {
      body.destroy()
      throw changed(pin.key)
    }
    return { info, body, length }
  } catch (error) {
    throw asChanged(pin.key, error)
  }
}

async function* held(
  context: TransferContext,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    await context.bandwidth?.take(chunk.length, signal)
    yield chunk
  }
}

export function changed(key: string, cause?: unknown): StowageError {
  return new StowageError('source-changed', `"${key}" changed while it was copied.`, { key, cause })
}

/** What a request that was pinned to the source's object fails with: when that is another one by now, it says so. */
export function asChanged(key: string, error: unknown): unknown {
  return hasCode(error, 'precondition-failed') ? changed(key, error) : error
}

/** What is computed of bytes on their way. */
export interface Sums {
  crc32?: number
  /** SHA-256 of their blocks; only of bytes that begin at a block's start. */
  blocks?: Uint8Array
  /** Hexadecimal digits. */
  md5?: string
  /** The checksum that was asked for, in base64. */
  sum?: string
}

/** What is to be computed beside the CRC-32. */
interface Wanted {
  blocks: boolean
  md5: boolean
  sum?: ChecksumAlgorithm
}

export function sumsOf(bytes: Uint8Array, start: number, wanted: Wanted): Sums {
  return {
    crc32: crc32(bytes),
    ...(wanted.blocks && start % BLOCK_SIZE === 0 ? { blocks: blockDigests(bytes) } : {}),
    ...(wanted.md5 ? { md5: createHash('md5').update(bytes).digest('hex') } : {}),
    ...(wanted.sum === undefined ? {} : { sum: checksumOf(wanted.sum, bytes).value }),
  }
}

/** A CRC-32 as stores want it: base64 of its four bytes, big-endian. */
export function crcBase64(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes.toString('base64')
}

/** The checksum to send with a request, when the target verifies one that we compute. */
export function checksumFor(context: TransferContext, value: number | undefined): { checksum?: Checksum } {
  if (value === undefined || !context.to.adapter.capabilities.checksums.includes('crc32')) return {}
  return { checksum: { algorithm: 'crc32', value: crcBase64(value) } }
}

/**
 * What the source says of a whole object's bytes, for the target to hold them against: then nothing needs to be computed on the way, and what
 * is wrong never appears. `undefined` where the source says nothing that the target could check.
 */
export function proofFor(context: TransferContext, info: ObjectInfo): Checksum | undefined {
  const { checksums } = context.to.adapter.capabilities
  const said = plainCrc32(info)
  if (said === undefined) return md5Proof(context, info)
  return checksums.includes('crc32') ? { algorithm: 'crc32', value: said } : undefined
}

/** The MD5 of the source's etag, where the target takes it: it computes one in any case. */
export function md5Proof({ from, to }: TransferContext, { etag }: ObjectInfo): Checksum | undefined {
  const bare = bareEtag(etag)
  const usable = from.adapter.capabilities.etagIsMd5 && to.adapter.capabilities.checksums.includes('md5')
  return usable && isMd5(bare) ? { algorithm: 'md5', value: Buffer.from(bare, 'hex').toString('base64') } : undefined
}

/** Whether an object's etag is the MD5 of its bytes, and the source tells nothing cheaper of them. */
export function needsMd5(context: TransferContext, info: ObjectInfo): boolean {
  return plainCrc32(info) === undefined && context.from.adapter.capabilities.etagIsMd5 && isMd5(info.etag)
}

function plainCrc32(info: ObjectInfo): string | undefined {
  const said = info.checksums?.crc32
  return said?.includes('-') ? undefined : said
}

/**
 * Holds a whole object's bytes against what the source says of them.
 * @throws StowageError `integrity` when they differ
 */
export function checkAgainstSource(info: ObjectInfo, sums: Sums): void {
  const said = plainCrc32(info)
  if (said !== undefined && sums.crc32 !== undefined && said !== crcBase64(sums.crc32)) throw corrupt(info.key)
  if (sums.md5 !== undefined && sums.md5 !== info.etag.toLowerCase()) throw corrupt(info.key)
}

export function corrupt(key: string): StowageError {
  return new StowageError('integrity', `The bytes of "${key}" that arrived are not those that the source has.`, { key })
}

/** @throws StowageError `integrity` when the bytes are not what the caller knows they must be */
export function checkDigest(key: string, expected: string | undefined, actual: string | undefined): void {
  if (expected === undefined || expected === actual) return
  throw new StowageError('integrity', `"${key}" has the digest ${actual ?? 'unknown'}, not ${expected} as expected.`, {
    key,
  })
}
