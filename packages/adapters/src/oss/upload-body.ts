import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { type ByteSource, type Checksum, readExactly, StowageError } from '@stowage/core'
import { type Called, type ChecksumCheck, checksumCheck, chunksOf, wrongChecksum } from '../shared/index.ts'
import { Crc64, crc64Base64 } from './crc64.ts'
import type { Watch } from './transport.ts'

/** Streams up to this are read into memory first: then they can be sent again. In bytes. */
const bufferedBytes = 8 * 1024 * 1024
/** Bytes handed to the socket at a time, so that it shows when none move any more. */
const sliceBytes = 256 * 1024

/** A body that is ready to be sent, once or more. */
export interface UploadBody {
  readonly repeatable: boolean
  readonly headers: Readonly<Record<string, string>>
  /** What is sent. A stream fails the request by itself when the source fails or is not what was announced. */
  open(watch: Watch): Uint8Array | Readable
  /** The CRC64 of what was sent. */
  crc(): bigint
}

/** What a body is announced as. */
export interface Announced {
  key: string
  size: number
  checksum?: Checksum | undefined
  signal?: AbortSignal | undefined
  /** Nothing else guards the bytes on their way (plain HTTP): what lies in memory is announced by its MD5, which OSS checks first. */
  withMd5: boolean
}

/** Prepares a body for sending. @throws StowageError `integrity` when bytes in memory are not what was announced */
export async function prepareBody(adapter: Called, body: ByteSource, announced: Announced): Promise<UploadBody> {
  const { key, size, signal, checksum } = announced
  const check = checksum === undefined ? undefined : checkOf(adapter, key, checksum)
  if (!(body instanceof Uint8Array) && size > bufferedBytes) return streamBody(adapter, body, announced, check)
  const bytes = body instanceof Uint8Array ? body : await readExactly(chunksOf(body, signal), size)
  check?.update(bytes)
  check?.finish()
  return bytesBody(bytes, announced)
}

function bytesBody(bytes: Uint8Array, { withMd5 }: Announced): UploadBody {
  let crc: bigint | undefined
  return {
    repeatable: true,
    headers: {
      'content-length': String(bytes.length),
      ...(withMd5 ? { 'content-md5': createHash('md5').update(bytes).digest('base64') } : {}),
    },
    open: (watch) => (bytes.length <= sliceBytes ? bytes : Readable.from(slices(bytes, watch), { objectMode: false })),
    crc: () => {
      crc ??= new Crc64().update(bytes).value
      return crc
    },
  }
}

function* slices(bytes: Uint8Array, watch: Watch): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    watch.touch()
    yield bytes.subarray(at, at + sliceBytes)
  }
}

function streamBody(
  adapter: Called,
  body: AsyncIterable<Uint8Array>,
  announced: Announced,
  check: ChecksumCheck | undefined,
): UploadBody {
  const crc = new Crc64()
  return {
    repeatable: false,
    headers: { 'content-length': String(announced.size) },
    open: (watch) => {
      const stream = Readable.from(checked(adapter, body, announced, crc, check, watch), { objectMode: false })
      stream.on('error', watch.fail)
      return stream
    },
    crc: () => crc.value,
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
  crc: Crc64,
  check: ChecksumCheck | undefined,
  watch: Watch,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined
  let received = 0
  for await (const chunk of chunksOf(body, signal)) {
    if (chunk.length === 0) continue
    watch.touch()
    received += chunk.length
    if (received > size) throw wrongLength(adapter, key, size, 'more')
    crc.update(chunk)
    check?.update(chunk)
    if (held !== undefined) yield held
    held = chunk
  }
  if (received !== size) throw wrongLength(adapter, key, size, `${received}`)
  check?.finish()
  watch.touch()
  if (held !== undefined) yield held
}

function checkOf(adapter: Called, key: string, checksum: Checksum): ChecksumCheck {
  if (checksum.algorithm !== 'crc64ecma') return checksumCheck(adapter, key, checksum)
  const crc = new Crc64()
  return {
    update: (chunk) => {
      crc.update(chunk)
    },
    finish: () => {
      if (crc64Base64(crc.value) !== checksum.value) throw wrongChecksum(adapter, key, checksum.algorithm)
    },
  }
}

function wrongLength(adapter: Called, key: string, size: number, actual: string): StowageError {
  const message = `${adapter.id}: ${JSON.stringify(key)} was declared as ${size} bytes and had ${actual}.`
  return new StowageError('integrity', message, { key, sourceId: adapter.id })
}
