import {
  BLOCK_SIZE,
  DigestBuilder,
  digestStream,
  type FileDigest,
  hasCode,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
  type UploadedPart,
} from '@stowage/core'
import { checksumOf } from './objects.ts'
import type { StreamNote } from './signed/index.ts'

/** Parts in flight at once. With parts of 16 MiB a stream holds 64 MiB at most. */
const PARALLEL = 4
const PART_SIZE = 2 * BLOCK_SIZE

/**
 * Writes a stream of any length to a key that does not exist yet: one put when it is short, a multipart upload when it is long. The digest is
 * computed in passing and every request's checksum is verified by the store. Nothing is left behind on failure, and what a crash leaves is noted. An object that is there with the
 * same bytes, as a process that died leaves it, is as good as written.
 *
 * @param options `onPart`: told of each part that the store has
 * @throws StowageError `conflict` when the key exists with other bytes, `invalid-request` when the stream is too long for the store
 */
export async function putStream(
  adapter: StorageAdapter,
  key: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  options: { contentType?: string; signal?: AbortSignal | undefined; note: StreamNote; onPart?: () => void },
): Promise<FileDigest> {
  const { note } = options
  const digest = new DigestBuilder()
  const call = options.signal === undefined ? {} : { signal: options.signal }
  const headers = options.contentType === undefined ? {} : { contentType: options.contentType }
  const { multipart, conditional } = adapter.capabilities
  const once = (supported: boolean) => (supported ? { ifNoneMatch: '*' as const } : {})
  let uploadId: string | undefined
  const parts: Promise<UploadedPart>[] = []
  try {
    for await (const { bytes, last } of chunked(body, multipart === false ? Number.POSITIVE_INFINITY : PART_SIZE)) {
      throwIfAborted(options.signal)
      digest.update(bytes)
      if (last && parts.length === 0) {
        await adapter.put(key, bytes, {
          ...call,
          ...headers,
          ...checksumOf(adapter, bytes),
          ...once(conditional.putCreateOnly),
        })
        return digest.finish()
      }
      if (multipart !== false && parts.length >= multipart.maxParts) {
        throw new StowageError(
          'invalid-request',
          `The stream is longer than ${multipart.maxParts * PART_SIZE} bytes.`,
          {
            key,
            hint: 'Upload it as a file, whose length is known; its parts are then made larger.',
          },
        )
      }
      if (uploadId === undefined) {
        await note.begin()
        uploadId = (await adapter.multipart.create(key, { ...call, ...headers })).uploadId
        await note.created(uploadId)
      } else await note.alive()
      const part = adapter.multipart.uploadPart(key, uploadId, parts.length + 1, bytes, {
        ...call,
        ...checksumOf(adapter, bytes),
      })
      part.then(options.onPart, () => undefined)
      parts.push(part)
      if (parts.length > PARALLEL) await parts[parts.length - 1 - PARALLEL]
    }
    const done = await Promise.all(parts)
    await adapter.multipart.complete(key, uploadId as string, done, {
      ...call,
      ...once(conditional.completeCreateOnly),
    })
    await note.end()
    return digest.finish()
  } catch (error) {
    await Promise.allSettled(parts)
    // What cannot be aborted now stays noted, for the sweep; a source that was lost is not asked.
    const abort = async (id: string) => adapter.multipart.abort(key, id).then(() => note.end())
    const isLost = hasCode(options.signal?.reason, 'unavailable')
    if (uploadId !== undefined && !isLost) await abort(uploadId).catch(() => undefined)
    if (!hasCode(error, 'precondition-failed')) throw error
    return sameThere(adapter, key, digest.finish(), call)
  }
}

/** The store refuses a second object only when it has all of the first, so the stream was read to its end. */
async function sameThere(
  adapter: StorageAdapter,
  key: string,
  sent: FileDigest,
  call: { signal?: AbortSignal },
): Promise<FileDigest> {
  const { body } = await adapter.get(key, call)
  const there = await digestStream(body)
  if (there.digest === sent.digest && there.size === sent.size) return sent
  throw new StowageError('conflict', `"${key}" exists already, with other bytes.`, {
    key,
    hint: 'Choose another path, or begin a new draft.',
  })
}

/** Cuts a stream into pieces of `size` bytes; the last may be shorter, and an empty stream is one empty piece. */
async function* chunked(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ bytes: Uint8Array; last: boolean }> {
  let pieces: Uint8Array[] = []
  let held = 0
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    let rest = chunk
    while (rest.length > 0) {
      // A full piece is given out only when more comes, so that the last one is known to be the last.
      if (held === size) {
        yield { bytes: Buffer.concat(pieces, held), last: false }
        pieces = []
        held = 0
      }
      const part = rest.subarray(0, size - held)
      pieces.push(part)
      held += part.length
      rest = rest.subarray(part.length)
    }
  }
  yield { bytes: Buffer.concat(pieces, held), last: true }
}
