import { Readable } from 'node:stream'
import { StowageError } from '../errors/index.ts'
import type { ByteSource } from './objects.ts'

/** Where memory comes from. */
export interface Memory {
  /** Memory of so many bytes, whatever is in it. */
  take(size: number): Uint8Array
}

const newMemory: Memory = { take: (size) => Buffer.allocUnsafe(size) }

/**
 * Reads a stream into one buffer of exactly `size` bytes.
 * @param memory for what comes in several chunks. @defaultValue new memory
 * @throws StowageError `integrity` when the stream is shorter or longer
 */
export async function readExactly(
  stream: AsyncIterable<Uint8Array>,
  size: number,
  memory: Memory = newMemory,
): Promise<Uint8Array> {
  if (stream instanceof Readable) return await readEvents(stream, size, memory)
  const target = new Exactly(size, memory)
  for await (const chunk of stream) target.add(chunk)
  return target.finish()
}

/** As `for await` does it, without the promises for each chunk, and with memory that is given back to be read into again. */
function readEvents(
  stream: Readable & { takeBack?(chunk: Uint8Array): void },
  size: number,
  memory: Memory,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const target = new Exactly(size, memory)
    const fail = (error: unknown): void => {
      reject(error)
      stream.destroy()
    }
    const onEnd = (): void => {
      try {
        resolve(target.finish())
      } catch (error) {
        reject(error)
      }
    }
    if (stream.errored !== null) return reject(stream.errored)
    if (stream.readableEnded) return onEnd()
    if (stream.destroyed) return reject(wrongLength(size, 0))
    stream.on('error', reject)
    stream.on('end', onEnd)
    stream.on('close', () => {
      if (!stream.readableEnded) reject(stream.errored ?? wrongLength(size, target.length))
    })
    stream.on('data', (chunk: Uint8Array) => {
      try {
        if (target.add(chunk)) stream.takeBack?.(chunk)
      } catch (error) {
        fail(error)
      }
    })
  })
}

/** A buffer that is filled. What comes in one chunk is not copied. */
class Exactly {
  length = 0
  readonly #size: number
  readonly #memory: Memory
  #buffer: Uint8Array | undefined

  constructor(size: number, memory: Memory) {
    this.#size = size
    this.#memory = memory
  }

  /** @returns whether the chunk was copied. @throws StowageError `integrity` when there are too many */
  add(chunk: Uint8Array): boolean {
    const at = this.length
    if (at + chunk.length > this.#size) throw wrongLength(this.#size, at + chunk.length)
    this.length += chunk.length
    if (at === 0 && chunk.length === this.#size) {
      this.#buffer = chunk
      return false
    }
    this.#buffer ??= this.#memory.take(this.#size)
    this.#buffer.set(chunk, at)
    return true
  }

  /** @throws StowageError `integrity` when there are too few */
  finish(): Uint8Array {
    if (this.length !== this.#size) throw wrongLength(this.#size, this.length)
    return this.#buffer ?? Buffer.alloc(0)
  }
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
