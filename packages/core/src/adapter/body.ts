import type { Readable } from 'node:stream'
import { StowageError } from '../errors/index.ts'
import type { ByteSource } from './objects.ts'

/**
 * Reads a stream into one buffer of exactly `size` bytes.
 * @throws StowageError `integrity` when the stream is shorter or longer
 */
export async function readExactly(stream: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(size)
  let at = 0
  for await (const chunk of stream) {
    if (at + chunk.length > size) throw wrongLength(size, at + chunk.length)
    buffer.set(chunk, at)
    at += chunk.length
  }
  if (at !== size) throw wrongLength(size, at)
  return buffer
}

/** Reads a stream of unknown length into one buffer. For small things only, and `limit` says how small, in bytes. */
export async function readAll(stream: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > limit)
      throw new StowageError('invalid-request', `More than ${limit} bytes where a small object was expected.`)
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, size)
}

/** Passes a stream through and fails with `integrity` unless exactly `size` bytes came. */
export async function* exactLength(stream: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const chunk of stream) {
    at += chunk.length
    if (at > size) throw wrongLength(size, at)
    yield chunk
  }
  if (at !== size) throw wrongLength(size, at)
}

/** The length of a body that is to be written: of bytes their own, of a stream the declared one. */
export function bodySize(body: ByteSource, declared: number | undefined): number {
  if (!(body instanceof Uint8Array)) {
    if (declared === undefined) throw new StowageError('invalid-request', 'A stream needs a size.', { field: 'size' })
    return declared
  }
  if (declared !== undefined && declared !== body.length) throw wrongLength(declared, body.length)
  return body.length
}

function wrongLength(expected: number, actual: number): StowageError {
  return new StowageError(
    'integrity',
    `Expected ${expected} bytes, got ${actual < expected ? 'only' : 'at least'} ${actual}.`,
  )
}

/** Tells of the bytes that come into a body from its source. They are not touched, and the body stays the one that it is. */
export function onBytesIn(body: Readable, seen: (bytes: number) => void): void {
  if (body.readableLength > 0) seen(body.readableLength)
  const push = body.push
  body.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
    if (chunk !== null) seen(chunk.length)
    return push.call(body, chunk, encoding)
  }
}
