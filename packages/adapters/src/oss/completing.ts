import { type CompleteOptions, hasCode, type PutResult, type UploadedPart } from '@stowage/core'
import { assertComplete, unknownUpload, unquote } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { combineCrc64, crc64FromBase64, crc64FromHeader } from './crc64.ts'
import { putResult, versionOf } from './headers.ts'
import { assertWritten, takeBack, wrongBytes } from './written.ts'
import { childText, parseXml } from './xml.ts'

/** Makes the object of its parts, and holds what the store made against them. */
export async function completeUpload(
  context: OssContext,
  key: string,
  uploadId: string,
  parts: readonly UploadedPart[],
  options: CompleteOptions,
): Promise<PutResult> {
  const { adapter, transport } = context
  const createOnly = assertComplete(adapter, parts, options)
  if (createOnly) await context.control.assertUnversioned(options.signal)
  const crc = crcOf(parts)
  const rows = parts
    .map(({ partNumber, etag }) => `<Part><PartNumber>${partNumber}</PartNumber><ETag>"${etag}"</ETag></Part>`)
    .join('')
  const xml = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUpload>${rows}</CompleteMultipartUpload>`,
  )
  try {
    const answer = await transport.send({
      method: 'POST',
      key,
      signal: options.signal,
      repeatable: false,
      slow: true,
      query: { uploadId, 'encoding-type': 'url' },
      headers: {
        'content-type': 'application/xml',
        'content-length': String(xml.length),
        ...(createOnly ? { 'x-oss-forbid-overwrite': 'true' } : {}),
      },
      body: () => xml,
    })
    const result = putResult(childText(parseXml(answer.text), 'ETag'), answer.headers)
    await assertWritten(context, key, result.etag, answer.headers, { crc, createOnly })
    if (crc === undefined) await assertLength(context, key, result, parts, answer.headers)
    return result
  } catch (error) {
    const lost = hasCode(error, 'unavailable', 'timeout') && crc !== undefined
    const done = lost ? await completedAnyhow(context, key, uploadId, crc) : undefined
    if (done !== undefined) return done
    return unknownUpload(adapter, key)(error)
  }
}

/** The CRC64 of all parts together, where each one's is known. */
function crcOf(parts: readonly UploadedPart[]): bigint | undefined {
  const known: { crc: bigint; length: number }[] = []
  for (const { checksum, size } of parts) {
    const crc = checksum?.algorithm === 'crc64ecma' ? crc64FromBase64(checksum.value) : undefined
    if (crc === undefined) return undefined
    known.push({ crc, length: size })
  }
  return combineCrc64(known)
}

/** OSS copies the whole source for a range that is not within it; without checksums of the parts, the length tells. */
async function assertLength(
  context: OssContext,
  key: string,
  result: PutResult,
  parts: readonly UploadedPart[],
  answer: Readonly<Record<string, string>>,
): Promise<void> {
  const { versionId } = result
  const query = versionId === undefined ? {} : { versionId }
  const { headers } = await context.transport.send({ method: 'HEAD', key, query })
  const expected = parts.reduce((sum, part) => sum + part.size, 0)
  // Somebody may have written over it since; then its length says nothing of ours.
  if (unquote(headers['etag']) !== result.etag || Number(headers['content-length']) === expected) return
  throw wrongBytes(context, key, await takeBack(context, key, result.etag, answer))
}

/** Whether a completion whose answer was lost had worked: the upload is gone, and the object has the bytes of these parts. */
async function completedAnyhow(
  { transport }: OssContext,
  key: string,
  uploadId: string,
  crc: bigint,
): Promise<PutResult | undefined> {
  try {
    const { headers } = await transport.send({ method: 'HEAD', key })
    if (crc64FromHeader(headers['x-oss-hash-crc64ecma']) !== crc) return undefined
    const isGone = await transport
      .send({ method: 'GET', key, attempts: 1, query: { uploadId } })
      .then(() => false)
      .catch((error: unknown) => hasCode(error, 'not-found'))
    if (!isGone) return undefined
    const versionId = versionOf(headers)
    return { etag: unquote(headers['etag']), ...(versionId === undefined ? {} : { versionId }) }
  } catch {
    // The first error is the one to tell.
    return undefined
  }
}
