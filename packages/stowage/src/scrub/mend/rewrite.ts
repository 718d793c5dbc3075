import {
  BLOCK_SIZE,
  hasCode,
  type ObjectHeaders,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
  type UploadedPart,
} from '@stowage/core'
import { checksumOf } from '../../datasets/objects.ts'

/** An object that is to be put in the place of a bad one. */
export interface Rewrite {
  adapter: StorageAdapter
  key: string
  /** bytes */
  size: number
  /** The right bytes. It throws when they cannot be had, and then nothing is written. */
  bytes: AsyncIterable<Uint8Array>
  headers: ObjectHeaders
  /** Of the bad object that is replaced; `undefined` when there must be none. */
  etag: string | undefined
  signal?: AbortSignal | undefined
  /** Told of a multipart upload before it is created, and after, so that a crash leaves nothing that nobody knows of. */
  note: { begin(): Promise<void>; created(uploadId: string): Promise<void> }
}

const PART = 2 * BLOCK_SIZE
const PARALLEL = 3

/**
 * Writes an object over a bad one, or where there is none, in one step at its end: until then the old one is as it was. It is bound to what was
 * found bad, by the store itself where that has conditional writes; elsewhere it is looked at once more, right before. The multipart upload of
 * one that failed stays: whoever has the note aborts it.
 *
 * @throws StowageError `precondition-failed` when another object is there by now, or what the bytes or the store failed with
 */
export async function rewrite(options: Rewrite): Promise<void> {
  const { adapter, key, size, headers } = options
  const { multipart, maxPutSize } = adapter.capabilities
  const call = options.signal === undefined ? {} : { signal: options.signal }
  if (multipart === false || size <= PART) {
    if (size > maxPutSize) throw new StowageError('not-supported', `"${key}" is too large for one write.`, { key })
    const whole = size <= PART ? await collect(options.bytes, size) : undefined
    const body = whole === undefined ? { bytes: options.bytes, size: { size } } : { bytes: whole, size: {} }
    const condition = await conditionOf(options, 'put')
    const sum = whole === undefined ? {} : checksumOf(adapter, whole)
    await adapter.put(key, body.bytes, { ...call, ...headers, ...body.size, ...sum, ...condition })
    return
  }
  await multipartRewrite(options, Math.max(PART, roundUp(size / multipart.maxParts)))
}

async function multipartRewrite(options: Rewrite, partSize: number): Promise<void> {
  const { adapter, key, headers, note, signal } = options
  const call = signal === undefined ? {} : { signal }
  await note.begin()
  const { uploadId } = await adapter.multipart.create(key, { ...headers, ...call })
  const parts: Promise<UploadedPart>[] = []
  try {
    await note.created(uploadId)
    for await (const bytes of cut(options.bytes, partSize)) {
      throwIfAborted(signal)
      const part = adapter.multipart.uploadPart(key, uploadId, parts.length + 1, bytes, {
        ...call,
        ...checksumOf(adapter, bytes),
      })
      part.catch(() => undefined)
      parts.push(part)
      if (parts.length >= PARALLEL) await parts[parts.length - PARALLEL]
    }
    const done = await Promise.all(parts)
    await adapter.multipart.complete(key, uploadId, done, { ...call, ...(await conditionOf(options, 'complete')) })
  } finally {
    await Promise.allSettled(parts)
  }
}

/** What the write is bound to. @throws StowageError `precondition-failed` when the store cannot hold it to that, and it does not hold now */
async function conditionOf(
  { adapter, key, etag, signal }: Rewrite,
  by: 'put' | 'complete',
): Promise<{ ifNoneMatch?: '*'; ifMatch?: string }> {
  const { conditional } = adapter.capabilities
  if (etag === undefined) {
    if (by === 'put' ? conditional.putCreateOnly : conditional.completeCreateOnly) return { ifNoneMatch: '*' }
  } else if (by === 'put' ? conditional.putIfMatch : conditional.completeIfMatch) return { ifMatch: etag }
  const there = await adapter.head(key, signal === undefined ? {} : { signal }).catch((error) => {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  })
  if (there?.etag !== etag) {
    throw new StowageError('precondition-failed', `"${key}" is another object by now.`, { key })
  }
  return {}
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_SIZE) * BLOCK_SIZE
}

async function collect(bytes: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  const whole = Buffer.concat(pieces)
  if (whole.length === size) return whole
  throw new StowageError('integrity', `There are ${whole.length} bytes, not ${size}.`)
}

/** Cuts a stream into parts of one size; the last may be shorter. */
async function* cut(bytes: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let held = 0
  for await (const piece of bytes) {
    let rest = piece
    while (rest.length > 0) {
      const part = rest.subarray(0, size - held)
      pieces.push(part)
      held += part.length
      rest = rest.subarray(part.length)
      if (held < size) continue
      yield Buffer.concat(pieces, held)
      pieces = []
      held = 0
    }
  }
  if (held > 0) yield Buffer.concat(pieces, held)
}
