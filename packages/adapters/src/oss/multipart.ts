import {
  bodySize,
  hasCode,
  type MultipartOperations,
  type PutResult,
  StowageError,
  type UnfinishedUpload,
  type UploadedPart,
} from '@stowage/core'
import {
  assertKey,
  assertPartNumber,
  assertParts,
  assertRange,
  assertSupported,
  uploadNotFound,
} from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { combineCrc64, crc64Base64, crc64FromBase64, crc64FromHeader } from './crc64.ts'
import { putResult, quote, requestHeaders, unquote, versionOf } from './headers.ts'
import { nameReader } from './listing.ts'
import { assertSize, copySource, rangeHeader } from './objects.ts'
import { prepareBody } from './upload-body.ts'
import { assertWritten, takeBack, wrongBytes } from './written.ts'
import { childrenOf, childText, parseXml } from './xml.ts'

const largestPart = 5 * 1024 ** 3

/** The multipart calls of OSS. */
export function ossMultipart(context: OssContext): MultipartOperations {
  const { adapter, transport } = context

  /** `not-found` of a call on an upload means the upload, not the object. */
  function unknownUpload(error: unknown, key: string): unknown {
    return hasCode(error, 'not-found') ? uploadNotFound(adapter, key, error) : error
  }

  return {
    async create(key, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      // Sent twice, it would leave an upload behind that nobody knows.
      const answer = await transport.send({
        method: 'POST',
        key,
        signal: options.signal,
        repeatable: false,
        query: { uploads: '', 'encoding-type': 'url' },
        headers: { ...requestHeaders(adapter, options), 'content-length': '0' },
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
      assertSize(context, key, size, largestPart)
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
          body: (watch) => upload.open(watch),
        })
        .catch((error: unknown) => {
          throw unknownUpload(error, key)
        })
      const crc = upload.crc()
      const stored = crc64FromHeader(answer.headers['x-oss-hash-crc64ecma'])
      if (stored !== undefined && stored !== crc) {
        const message = `${adapter.id}: the store has other bytes of part ${partNumber} of ${JSON.stringify(key)} than were sent (CRC64).`
        throw new StowageError('integrity', message, { key, sourceId: adapter.id })
      }
      return uploadedPart(partNumber, answer.headers['etag'], size, crc)
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
      return uploadedPart(partNumber, etag, options.range.length, crc)
    },

    async listParts(key, uploadId, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      const parts: UploadedPart[] = []
      let marker = 0
      for (;;) {
        const answer = await transport
          .send({
            method: 'GET',
            key,
            signal: options.signal,
            query: {
              uploadId,
              'encoding-type': 'url',
              'max-parts': '1000',
              ...(marker === 0 ? {} : { 'part-number-marker': String(marker) }),
            },
          })
          .catch((error: unknown) => {
            throw unknownUpload(error, key)
          })
        const root = parseXml(answer.text)
        for (const row of childrenOf(root, 'Part')) {
          const [number, size] = [Number(childText(row, 'PartNumber')), Number(childText(row, 'Size'))]
          parts.push(
            uploadedPart(number, childText(row, 'ETag'), size, crc64FromHeader(childText(row, 'HashCrc64ecma'))),
          )
        }
        const next = childText(root, 'IsTruncated') === 'true' ? Number(childText(root, 'NextPartNumberMarker')) : 0
        // A marker that does not rise would loop for ever.
        if (!(next > marker)) return parts
        marker = next
      }
    },

    async complete(key, uploadId, parts, options = {}) {
      transport.begin(options.signal)
      assertKey(adapter, key)
      assertParts(adapter, parts)
      const createOnly = options.ifNoneMatch !== undefined
      assertSupported(
        adapter,
        !createOnly || adapter.capabilities.conditional.completeCreateOnly,
        'create-only complete',
      )
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
        throw unknownUpload(error, key)
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
      const found: UnfinishedUpload[] = []
      let marker: { 'key-marker': string; 'upload-id-marker': string } | undefined
      for (;;) {
        const answer = await transport.send({
          method: 'GET',
          signal: options.signal,
          query: { uploads: '', 'encoding-type': 'url', 'max-uploads': '1000', prefix: key, ...marker },
        })
        const root = parseXml(answer.text)
        const read = nameReader(context, root)
        let beyond = false
        for (const upload of childrenOf(root, 'Upload')) {
          if (read(childText(upload, 'Key') ?? '') === key) {
            const initiated = Date.parse(childText(upload, 'Initiated') ?? '') || 0
            found.push({ key, uploadId: childText(upload, 'UploadId') ?? '', initiated })
          } else beyond = true
        }
        const next = {
          'key-marker': read(childText(root, 'NextKeyMarker') ?? ''),
          'upload-id-marker': childText(root, 'NextUploadIdMarker') ?? '',
        }
        // The exact key comes first of all that begin with it. A marker that stays would loop for ever.
        const stays =
          next['key-marker'] === marker?.['key-marker'] && next['upload-id-marker'] === marker['upload-id-marker']
        if (childText(root, 'IsTruncated') !== 'true' || beyond || stays) return found
        marker = next
      }
    },
  }
}

function uploadedPart(number: number, etag: string | undefined, size: number, crc: bigint | undefined): UploadedPart {
  return {
    partNumber: number,
    etag: unquote(etag),
    size,
    ...(crc === undefined ? {} : { checksum: { algorithm: 'crc64ecma', value: crc64Base64(crc) } }),
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
