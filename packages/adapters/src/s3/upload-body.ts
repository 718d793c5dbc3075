import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type ByteSource, type Checksum, type ChecksumAlgorithm, checksumOf, readExactly } from '@stowage/core'
import {
  assertChecksum,
  bufferedBytes,
  type Called,
  checksumCheck,
  chunksOf,
  expectedStream,
  type Flow,
  sliceBytes,
  slices,
} from '../shared/index.ts'
import { type ChecksumFields, checksumFields } from './checksum-fields.ts'

/** A body that is ready to be sent, once or more. */
export interface UploadBody {
  readonly size: number
  readonly repeatable: boolean
  /** The checksum to announce, as the SDK names its fields. A long stream whose caller gave none has none. */
  readonly fields: ChecksumFields
  /** All bytes, where they lie in memory. */
  readonly bytes: Uint8Array | undefined
  /** What is sent: fails when the source fails or is not what was announced, and ends with the attempt. */
  open(flow: Flow): Uint8Array | Iterable<Uint8Array> | Readable
}

/** What a body is announced as. */
export interface Announced {
  key: string
  size: number
  checksum?: Checksum | undefined
  signal?: AbortSignal | undefined
  /** What bytes are announced by where the caller gives no checksum. @defaultValue 'crc32' */
  algorithm?: ChecksumAlgorithm | undefined
  /** Announce the bytes by their MD5; the caller's checksum is held against them here. */
  byMd5?: boolean
  /** Told of bytes in memory as they go out. */
  onSent?: ((bytes: number) => void) | undefined
}

/** Prepares a body for sending. */
export async function prepareBody(adapter: Called, body: ByteSource, announced: Announced): Promise<UploadBody> {
  const { key, size, signal, checksum, byMd5, algorithm, onSent } = announced
  if (checksum !== undefined) assertChecksum(adapter, checksum)
  if (!(body instanceof Uint8Array) && size > bufferedBytes) return streamBody(adapter, body, announced)
  const bytes = body instanceof Uint8Array ? body : await readExactly(chunksOf(body, signal), size)
  if (byMd5 !== true)
    return bytesBody(bytes, checksumFields(checksum ?? checksumOf(algorithm ?? 'crc32', bytes)), onSent)
  if (checksum !== undefined) {
    const check = checksumCheck(adapter, key, checksum)
    check.update(bytes)
    check.finish()
  }
  return bytesBody(bytes, { ContentMD5: createHash('md5').update(bytes).digest('base64') }, onSent)
}

/** A body that lies in memory. */
export function bytesBody(bytes: Uint8Array, fields: ChecksumFields, onSent?: (bytes: number) => void): UploadBody {
  return {
    size: bytes.length,
    repeatable: true,
    fields,
    bytes,
    open: (flow) => (bytes.length <= sliceBytes ? bytes : slices(bytes, flow, onSent)),
  }
}

function streamBody(adapter: Called, body: AsyncIterable<Uint8Array>, announced: Announced): UploadBody {
  const { key, size, checksum } = announced
  // An MD5 is the store's to compute: it does so in any case, for the etag.
  const isOurs = checksum !== undefined && checksum.algorithm !== 'md5'
  const check = isOurs ? checksumCheck(adapter, key, checksum) : undefined
  return {
    size,
    repeatable: false,
    fields: announced.byMd5 === true ? {} : checksumFields(checksum),
    bytes: undefined,
    open: (flow) => expectedStream(adapter, body, { key, size, check }, flow),
  }
}
