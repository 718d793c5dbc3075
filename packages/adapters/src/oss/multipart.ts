import {
  bodySize,
  hasCode,
  type MultipartOperations,
  type PutResult,
  StowageError,
  type UploadedPart,
} from '@stowage/core'
import {
  allRows,
  assertComplete,
  assertKey,
  assertObjectChecksum,
  assertPartNumber,
  assertRange,
  assertSize,
  movesFrom,
  quote,
  rangeHeader,
  risesFrom,
  type UploadMarker,
  unknownUpload,
  unquote,
  uploadedPart,
} from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { combineCrc64, crc64Base64, crc64FromBase64, crc64FromHeader } from './crc64.ts'
import { putResult, versionOf, writeHeaders } from './headers.ts'
import { nameReader } from './listing.ts'
import { copySource } from './objects.ts'
import { prepareBody } from './upload-body.ts'
import { assertWritten, takeBack, wrongBytes } from './written.ts'
import { childrenOf, childText, parseXml } from './xml.ts'

const largestPart = 5 * 1024 ** 3

/** The multipart calls of OSS. */
export function ossMultipart(context: OssContext): MultipartOperations {
  const { adapter, transport } = context

  return {
    async create(key, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      assertObjectChecksum(adapter, options.objectChecksum)
      // Sent twice, it would leave an upload behind that nobody knows.
      const answer = await transport.send({
        method: 'POST',
        key,
        signal: options.signal,
        repeatable: false,
        query: { uploads: '', 'encoding-type': 'url' },
        headers: { ...writeHeaders(context, options), 'content-length': '0' },
      })
      const uploadId = childText(parseXml(answer.text), 'UploadId')
      if (!uploadId) throw new StowageError('unavailable', `${adapter.id}: the store did not name the upload.`, { key })
      return { uploadId }
    },

    async uploadPart(key, uploadId, partNumber, body, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      assertPartNumber(adapter, partNumber)
      const { checksum, signal } = options
      const size = bodySize(body, options.size)
      assertSize(adapter, key, size, largestPart)
      const withMd5 = transport.address.isPlain
      const upload = await prepareBody(adapter, body, { key, size, checksum, signal, withMd5 })
      const answer = await transport
        .send({
          method: 'PUT',
          key,
          signal,
          ...(upload.repeatable ? {} : { attempts: 1 }),
          query: { partNumber: String(partNumber), uploadId },
          headers: upload.headers,
          body: (flow) => upload.open(flow),
        })
        .catch(unknownUpload(adapter, key))
      const crc = upload.crc()
      const stored = crc64FromHeader(answer.headers['x-oss-hash-crc64ecma'])
      if (stored !== undefined && stored !== crc) {
        const message = `${adapter.id}: the store has other bytes of part ${partNumber} of ${JSON.stringify(key)} than were sent (CRC64).`
        throw new StowageError('integrity', message, { key, sourceId: adapter.id })
      }
      return partOf(partNumber, answer.headers['etag'], size, crc)
    },

    async uploadPartCopy(key, uploadId, partNumber, sourceKey, options) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      assertKey(adapter, sourceKey)
      assertPartNumber(adapter, partNumber)
      assertRange(adapter, sourceKey, options.range)
      const answer = await transport.send({
        method: 'PUT',
        key,
        signal: options.signal,
        slow: true,
        query: { partNumber: String(partNumber), uploadId },
        headers: {
          'content-length': '0',
          'x-oss-copy-source': copySource(transport.bucket, sourceKey),
          'x-oss-copy-source-range': rangeHeader(options.range),
          ...(options.sourceIfMatch === undefined
            ? {}
            : { 'x-oss-copy-source-if-match': quote(options.sourceIfMatch) }),
        },
      })
      const etag = childText(parseXml(answer.text), 'ETag')
      const crc = crc64FromHeader(answer.headers['x-oss-hash-crc64ecma'])
      return partOf(partNumber, etag, options.range.length, crc)
    },

    async listParts(key, uploadId, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      return allRows(async (marker: number | undefined) => {
        const answer = await transport
          .send({
            method: 'GET',
            key,
            signal: options.signal,
            query: {
              uploadId,
              'encoding-type': 'url',
              'max-parts': '1000',
              ...(marker === undefined ? {} : { 'part-number-marker': String(marker) }),
            },
          })
          .catch(unknownUpload(adapter, key))
        const root = parseXml(answer.text)
        const rows = childrenOf(root, 'Part').map((row) => {
          const crc = crc64FromHeader(childText(row, 'HashCrc64ecma'))
          return partOf(
            Number(childText(row, 'PartNumber')),
            childText(row, 'ETag'),
            Number(childText(row, 'Size')),
            crc,
          )
        })
        const isTruncated = childText(root, 'IsTruncated') === 'true'
        return { rows, next: isTruncated ? Number(childText(root, 'NextPartNumberMarker')) : undefined }
      }, risesFrom)
    },

    async complete(key, uploadId, parts, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
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
    },

    async abort(key, uploadId, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      try {
        await transport.send({ method: 'DELETE', key, signal: options.signal, query: { uploadId } })
      } catch (error) {
        if (!hasCode(error, 'not-found')) throw error
      }
    },

    async list(key, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      return allRows(async (marker: UploadMarker | undefined) => {
        const answer = await transport.send({
          method: 'GET',
          signal: options.signal,
          query: {
            uploads: '',
            'encoding-type': 'url',
            'max-uploads': '1000',
            prefix: key,
            ...(marker === undefined ? {} : { 'key-marker': marker.key, 'upload-id-marker': marker.uploadId }),
          },
        })
        const root = parseXml(answer.text)
        const read = nameReader(context, root)
        const uploads = childrenOf(root, 'Upload')
        const rows = uploads
          .filter((upload) => read(childText(upload, 'Key') ?? '') === key)
          .map((upload) => ({
            key,
            uploadId: childText(upload, 'UploadId') ?? '',
            initiated: Date.parse(childText(upload, 'Initiated') ?? '') || 0,
          }))
        // The exact key comes first of all that begin with it.
        const more = childText(root, 'IsTruncated') === 'true' && rows.length === uploads.length
        const next = {
          key: read(childText(root, 'NextKeyMarker') ?? ''),
          uploadId: childText(root, 'NextUploadIdMarker') ?? '',
        }
        return { rows, next: more ? next : undefined }
      }, movesFrom)
    },
  }
}

function partOf(partNumber: number, etag: string | undefined, size: number, crc: bigint | undefined): UploadedPart {
  const checksum = crc === undefined ? undefined : ({ algorithm: 'crc64ecma', value: crc64Base64(crc) } as const)
  return uploadedPart(partNumber, etag, size, checksum)
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
