import { type ByteSource, type Checksum, type StorageAdapter, StowageError } from '@stowage/core'
import type { Claims } from './claims.ts'
import { refusal } from './refusal.ts'

/** Answers an upload of an object or of a part. Nothing of it is visible unless all of it came and is what was announced. */
export async function writeObject(adapter: StorageAdapter, claims: Claims, request: Request): Promise<Response> {
  const { key, method, contentType, maxSize, createOnly, uploadId, partNumber } = claims
  if (contentType !== undefined && request.headers.get('content-type') !== contentType) {
    throw new StowageError('access-denied', 'The URL is for another content type.')
  }
  const announced = request.headers.get('content-length')
  const size = announced === null ? undefined : Number(announced)
  const most = maxSize ?? Number.POSITIVE_INFINITY
  const tooLarge = new StowageError('invalid-request', `The URL is for ${most} bytes at most.`)
  if (size !== undefined && size > most) return refusal(tooLarge, request.method, 413)
  const checksum = checksumOf(request.headers)
  const common = {
    signal: request.signal,
    ...(size === undefined ? {} : { size }),
    ...(checksum === undefined ? {} : { checksum }),
  }
  const body: ByteSource = request.body === null ? new Uint8Array() : within(request.body, most, tooLarge)
  try {
    if (method === 'part') {
      if (size === undefined && !(body instanceof Uint8Array)) {
        return refusal(new StowageError('invalid-request', 'A part needs a Content-Length.'), request.method, 411)
      }
      const { etag } = await adapter.multipart.uploadPart(key, uploadId ?? '', partNumber ?? 0, body, common)
      return new Response(null, { status: 200, headers: { etag: `"${etag}"` } })
    }
    const type = request.headers.get('content-type')
    const { etag } = await adapter.put(key, body, {
      ...common,
      ...(type === null ? {} : { contentType: type }),
      ...(createOnly === true ? { ifNoneMatch: '*' } : {}),
    })
    return new Response(null, { status: 200, headers: { etag: `"${etag}"` } })
  } catch (error) {
    if (error === tooLarge) return refusal(tooLarge, request.method, 413)
    throw error
  }
}

/** The bytes of a body, as long as there are not more than allowed. */
async function* within(
  body: ReadableStream<Uint8Array>,
  most: number,
  tooLarge: StowageError,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > most) throw tooLarge
    yield chunk
  }
}

function checksumOf(headers: Headers): Checksum | undefined {
  for (const algorithm of ['sha256', 'crc32'] as const) {
    const value = headers.get(`x-amz-checksum-${algorithm}`)
    if (value !== null) return { algorithm, value }
  }
  return undefined
}
