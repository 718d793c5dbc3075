import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  type ByteSource,
  bodySize,
  type Checksum,
  exactLength,
  type ObjectAttributes,
  type ObjectInfo,
  readExactly,
  StowageError,
} from '@stowage/core'

/** An object of the fake store. */
export interface FakeObject {
  bytes: Uint8Array
  info: ObjectInfo
  tags: Record<string, string>
}

/** An unfinished upload of the fake store. */
export interface FakeUpload {
  key: string
  headers: ObjectAttributes
  initiated: number
  parts: Map<number, { bytes: Uint8Array; etag: string }>
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** Reads a body as a store does: nothing is kept of one that is too short, too long, or other than its checksum says. */
export async function receive(
  body: ByteSource,
  size: number | undefined,
  checksum: Checksum | undefined,
): Promise<Uint8Array> {
  const length = bodySize(body, size)
  const bytes = body instanceof Uint8Array ? body.slice() : await readExactly(exactLength(body, length), length)
  if (checksum?.algorithm === 'md5' && createHash('md5').update(bytes).digest('base64') !== checksum.value)
    throw new StowageError('integrity', 'The checksum does not match.')
  if (checksum?.algorithm === 'crc32') {
    const value = Buffer.alloc(4)
    value.writeUInt32BE(crc32(bytes))
    if (value.toString('base64') !== checksum.value) throw new StowageError('integrity', 'The checksum does not match.')
  }
  return bytes
}

export function makeObject(
  key: string,
  bytes: Uint8Array,
  etag: string,
  now: number,
  headers: ObjectAttributes,
): FakeObject {
  const {
    tags = {},
    contentType,
    cacheControl,
    contentDisposition,
    contentEncoding,
    contentLanguage,
    metadata,
  } = headers
  const info: ObjectInfo = { key, size: bytes.length, etag, lastModified: now, metadata: { ...metadata } }
  if (Object.keys(tags).length > 0) info.tagCount = Object.keys(tags).length
  if (contentType !== undefined) info.contentType = contentType
  if (cacheControl !== undefined) info.cacheControl = cacheControl
  if (contentDisposition !== undefined) info.contentDisposition = contentDisposition
  if (contentEncoding !== undefined) info.contentEncoding = contentEncoding
  if (contentLanguage !== undefined) info.contentLanguage = contentLanguage
  return { bytes, info, tags }
}
