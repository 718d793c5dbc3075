import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { type ByteSource, type Checksum, readExactly, StowageError } from '@stowage/core'
import { type Called, type ChecksumCheck, checksumCheck, chunksOf, crc32Base64 } from '../shared/index.ts'
import type { Sending } from './connection.ts'

/** Streams up to this are read into memory first: then they have a checksum and can be sent again. In bytes. */
const bufferedBytes = 8 * 1024 * 1024
/** Bytes handed to the socket at a time, so that it shows when none move any more. */
const sliceBytes = 256 * 1024

/** A body that is ready to be sent, once or more. */
export interface UploadBody {
  readonly size: number
  readonly repeatable: boolean
  /** The checksum to announce, as the SDK names its fields. A long stream whose caller gave none has none. */
  readonly fields: ChecksumFields
  /** What the SDK sends. A stream fails the request by itself when the source fails or is not what was announced. */
  open(sending: Sending): Uint8Array | Readable
}

/** What a body is announced as. */
export interface Announced {
  key: string
  size: number
  checksum?: Checksum | undefined
  signal?: AbortSignal | undefined
  /** Announce the bytes by their MD5; the caller's checksum is held against them here. */
  byMd5?: boolean
}

/** The fields of a request that announce a checksum, as the SDK names them. */
interface ChecksumFields {
  ChecksumCRC32?: string
  ChecksumSHA256?: string
  ContentMD5?: string
}

/** Prepares a body for sending. */
export async function prepareBody(adapter: Called, body: ByteSource, announced: Announced): Promise<UploadBody> {
  const { key, size, signal, checksum, byMd5 } = announced
  if (!(body instanceof Uint8Array) && size > bufferedBytes) return streamBody(adapter, body, announced)
  const bytes = body instanceof Uint8Array ? body : await readExactly(chunksOf(body, signal), size)
  if (byMd5 !== true) return bytesBody(bytes, checksumFields(checksum ?? crc32Of(bytes)))
  if (checksum !== undefined) {
    const check = checksumCheck(adapter, key, checksum)
    check.update(bytes)
    check.finish()
  }
  return bytesBody(bytes, { ContentMD5: createHash('md5').update(bytes).digest('base64') })
}

function bytesBody(bytes: Uint8Array, fields: ChecksumFields): UploadBody {
  return {
    size: bytes.length,
    repeatable: true,
    fields,
    open: (sending) =>
      bytes.length <= sliceBytes ? bytes : Readable.from(slices(bytes, sending), { objectMode: false }),
  }
}

function crc32Of(bytes: Uint8Array): Checksum {
  return { algorithm: 'crc32', value: crc32Base64(crc32(bytes)) }
}

function* slices(bytes: Uint8Array, sending: Sending): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    sending.touch()
    yield bytes.subarray(at, at + sliceBytes)
  }
}

function streamBody(adapter: Called, body: AsyncIterable<Uint8Array>, announced: Announced): UploadBody {
  const { key, checksum } = announced
  const check = checksum === undefined ? undefined : checksumCheck(adapter, key, checksum)
  return {
    size: announced.size,
    repeatable: false,
    fields: announced.byMd5 === true ? {} : checksumFields(checksum),
    open: (sending) => {
      const stream = Readable.from(checked(adapter, body, announced, check, sending), { objectMode: false })
      stream.on('error', sending.fail)
      return stream
    },
  }
}

/**
 * Passes a stream on and holds the last chunk back until length and checksum are right: what is wrong never reaches the store whole,
 * so the store makes no object of it.
 */
async function* checked(
  adapter: Called,
  body: AsyncIterable<Uint8Array>,
  { key, size, signal }: Announced,
  check: ChecksumCheck | undefined,
  sending: Sending,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined
  let received = 0
  for await (const chunk of chunksOf(body, signal)) {
    if (chunk.length === 0) continue
    sending.touch()
    received += chunk.length
    if (received > size) throw wrongLength(adapter, key, size, 'more')
    check?.update(chunk)
    if (held !== undefined) yield held
    held = chunk
  }
  if (received !== size) throw wrongLength(adapter, key, size, `${received}`)
  check?.finish()
  sending.touch()
  if (held !== undefined) yield held
}

function wrongLength(adapter: Called, key: string, size: number, actual: string): StowageError {
  return new StowageError(
    'integrity',
    `${adapter.id}: ${JSON.stringify(key)} was declared as ${size} bytes and had ${actual}.`,
    {
      key,
      sourceId: adapter.id,
    },
  )
}

function checksumFields(checksum: Checksum | undefined): ChecksumFields {
  if (checksum?.algorithm === 'crc32') return { ChecksumCRC32: checksum.value }
  if (checksum?.algorithm === 'sha256') return { ChecksumSHA256: checksum.value }
  return {}
}
