import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type ByteSource, type Checksum, readExactly } from '@stowage/core'
import {
  bufferedBytes,
  type Called,
  type ChecksumCheck,
  checksumCheck,
  chunksOf,
  expectedStream,
  type Flow,
  sliceBytes,
  slices,
} from '../shared/index.ts'
import { Crc64 } from './crc64.ts'

/** A body that is ready to be sent, once or more. */
export interface UploadBody {
  readonly repeatable: boolean
  readonly headers: Readonly<Record<string, string>>
  /** What is sent. A stream fails the request by itself when the source fails or is not what was announced. */
  open(flow: Flow): Uint8Array | Iterable<Uint8Array> | Readable
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
  /** Told of bytes in memory as they go out. */
  onSent?: ((bytes: number) => void) | undefined
}

/** Prepares a body for sending. @throws StowageError `integrity` when bytes in memory are not what was announced */
export async function prepareBody(adapter: Called, body: ByteSource, announced: Announced): Promise<UploadBody> {
  const { key, size, signal, checksum } = announced
  const check = checksum === undefined ? undefined : checksumCheck(adapter, key, checksum)
  if (!(body instanceof Uint8Array) && size > bufferedBytes) return streamBody(adapter, body, announced, check)
  const bytes = body instanceof Uint8Array ? body : await readExactly(chunksOf(body, signal), size)
  check?.update(bytes)
  check?.finish()
  return bytesBody(bytes, announced)
}

function bytesBody(bytes: Uint8Array, { withMd5, onSent }: Announced): UploadBody {
  let crc: bigint | undefined
  return {
    repeatable: true,
    headers: {
      'content-length': String(bytes.length),
      ...(withMd5 ? { 'content-md5': createHash('md5').update(bytes).digest('base64') } : {}),
    },
    open: (flow) => (bytes.length <= sliceBytes ? bytes : slices(bytes, flow, onSent)),
    crc: () => {
      crc ??= new Crc64().update(bytes).value
      return crc
    },
  }
}

function streamBody(
  adapter: Called,
  body: AsyncIterable<Uint8Array>,
  { key, size }: Announced,
  given: ChecksumCheck | undefined,
): UploadBody {
  const crc = new Crc64()
  const check: ChecksumCheck = {
    update: (chunk) => {
      crc.update(chunk)
      given?.update(chunk)
    },
    finish: () => given?.finish(),
  }
  return {
    repeatable: false,
    headers: { 'content-length': String(size) },
    open: (flow) => {
      const stream = expectedStream(adapter, body, { key, size, check }, flow)
      stream.on('error', (error) => flow.fail(error))
      return stream
    },
    crc: () => crc.value,
  }
}
