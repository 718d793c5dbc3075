import { bodySize, hasCode, type MultipartOperations, StowageError, type UploadedPart } from '@stowage/core'
import {
  allRows,
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
  uploadedPart,
} from '../shared/index.ts'
import { completeUpload } from './completing.ts'
import type { OssContext } from './context.ts'
import { crc64Base64, crc64FromHeader } from './crc64.ts'
import { writeHeaders } from './headers.ts'
import { nameReader } from './listing.ts'
import { copySource } from './objects.ts'
import { prepareBody } from './upload-body.ts'
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
      const { checksum, signal, onSent } = options
      const size = bodySize(body, options.size)
      assertSize(adapter, key, size, largestPart)
      const withMd5 = transport.address.isPlain
      const upload = await prepareBody(adapter, body, { key, size, checksum, signal, withMd5, onSent })
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
      return completeUpload(context, key, uploadId, parts, options)
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
