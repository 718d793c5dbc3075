import { createHash } from 'node:crypto'
import {
  bodySize,
  type Checksum,
  hasCode,
  type MultipartOperations,
  type PutResult,
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
import { decodeListed, quote, unquote } from './headers.ts'
import { copySource, headObject, putResult, rangeHeader, type S3Context, writeFields } from './objects.ts'
import { prepareBody } from './upload-body.ts'

/** The multipart calls of an S3-like store. */
export function s3Multipart(context: S3Context, partsByMd5: boolean): MultipartOperations {
  const { adapter, connection } = context
  const { bucket } = connection

  /** `not-found` of a call on an upload means the upload, not the object. */
  function unknownUpload(error: unknown, key: string): unknown {
    return hasCode(error, 'not-found') ? uploadNotFound(adapter, key, error) : error
  }

  return {
    async create(key, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      const headers = writeFields(context, options)
      // Sent twice, it would leave an upload behind that nobody knows.
      const answer = await connection.send(
        { key, signal: options.signal, repeatable: false },
        ({ sdk, client, http }) =>
          client.send(
            new sdk.CreateMultipartUploadCommand({
              Bucket: bucket,
              Key: key,
              ...headers,
            }),
            http,
          ),
      )
      return { uploadId: answer.UploadId ?? '' }
    },

    async uploadPart(key, uploadId, partNumber, body, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      assertPartNumber(adapter, partNumber)
      const { checksum, signal } = options
      const size = bodySize(body, options.size)
      const upload = await prepareBody(adapter, body, {
        key,
        size,
        checksum,
        signal,
        byMd5: partsByMd5,
      })
      const answer = await connection
        .data({ key, signal, ...(upload.repeatable ? {} : { attempts: 1 }) }, (path, flow) =>
          path.part(key, uploadId, partNumber, upload, flow),
        )
        .catch((error: unknown) => {
          throw unknownUpload(error, key)
        })
      return uploadedPart(partNumber, answer.ETag, size, checksum)
    },

    async uploadPartCopy(key, uploadId, partNumber, sourceKey, options) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      assertKey(adapter, sourceKey)
      assertPartNumber(adapter, partNumber)
      assertRange(adapter, sourceKey, options.range)
      const answer = await connection.send({ key, signal: options.signal, slow: true }, ({ sdk, client, http }) =>
        client.send(
          new sdk.UploadPartCopyCommand({
            Bucket: bucket,
            Key: key,
            UploadId: uploadId,
            PartNumber: partNumber,
            CopySource: copySource(bucket, sourceKey),
            CopySourceRange: rangeHeader(options.range),
            ...(options.sourceIfMatch === undefined ? {} : { CopySourceIfMatch: quote(options.sourceIfMatch) }),
          }),
          http,
        ),
      )
      return uploadedPart(partNumber, answer.CopyPartResult?.ETag, options.range.length, undefined)
    },

    async listParts(key, uploadId, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      const parts: UploadedPart[] = []
      let marker: string | undefined
      do {
        const answer = await connection
          .send({ key, signal: options.signal }, ({ sdk, client, http }) =>
            client.send(
              new sdk.ListPartsCommand({
                Bucket: bucket,
                Key: key,
                UploadId: uploadId,
                ...(marker === undefined ? {} : { PartNumberMarker: marker }),
              }),
              http,
            ),
          )
          .catch((error: unknown) => {
            throw unknownUpload(error, key)
          })
        for (const part of answer.Parts ?? []) {
          parts.push(uploadedPart(part.PartNumber ?? 0, part.ETag, part.Size ?? 0, crc32Of(part)))
        }
        // A marker that does not rise would loop for ever.
        const next = answer.IsTruncated === true ? answer.NextPartNumberMarker : undefined
        marker = next !== undefined && Number(next) > Number(marker ?? 0) ? next : undefined
      } while (marker !== undefined)
      return parts
    },

    async complete(key, uploadId, parts, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      assertParts(adapter, parts)
      const createOnly = options.ifNoneMatch !== undefined
      assertSupported(
        adapter,
        !createOnly || adapter.capabilities.conditional.completeCreateOnly,
        'create-only complete',
      )
      try {
        const answer = await connection.send(
          { key, signal: options.signal, repeatable: false, slow: true },
          ({ sdk, client, http }) =>
            client.send(
              new sdk.CompleteMultipartUploadCommand({
                Bucket: bucket,
                Key: key,
                UploadId: uploadId,
                MultipartUpload: {
                  Parts: parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: quote(etag) })),
                },
                ...(createOnly ? { IfNoneMatch: '*' } : {}),
              }),
              http,
            ),
        )
        return putResult(answer.ETag, answer.VersionId)
      } catch (error) {
        const done = hasCode(error, 'unavailable', 'timeout')
          ? await completedAnyhow(context, key, uploadId, parts)
          : undefined
        if (done !== undefined) return done
        throw unknownUpload(error, key)
      }
    },

    async abort(key, uploadId, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      try {
        await connection.send({ key, signal: options.signal }, ({ sdk, client, http }) =>
          client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }), http),
        )
      } catch (error) {
        if (!hasCode(error, 'not-found')) throw error
      }
    },

    async list(key, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      const found: UnfinishedUpload[] = []
      let marker: { KeyMarker: string; UploadIdMarker?: string } | undefined
      for (;;) {
        const answer = await connection.send({ key, signal: options.signal }, ({ sdk, client, http }) =>
          client.send(
            new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key, EncodingType: 'url', ...marker }),
            http,
          ),
        )
        const decode = answer.EncodingType === 'url' ? decodeListed : (text: string): string => text
        let beyond = false
        for (const upload of answer.Uploads ?? []) {
          const uploadKey = decode(upload.Key ?? '')
          if (uploadKey === key) {
            found.push({ key, uploadId: upload.UploadId ?? '', initiated: upload.Initiated?.getTime() ?? 0 })
          } else beyond = true
        }
        // The exact key comes first of all that begin with it.
        const next = answer.IsTruncated === true && !beyond ? answer.NextKeyMarker : undefined
        if (
          next === undefined ||
          (decode(next) === marker?.KeyMarker && answer.NextUploadIdMarker === marker.UploadIdMarker)
        )
          return found
        marker = {
          KeyMarker: decode(next),
          ...(answer.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: answer.NextUploadIdMarker }),
        }
      }
    },
  }
}

function uploadedPart(
  partNumber: number,
  etag: string | undefined,
  size: number,
  checksum: Checksum | undefined,
): UploadedPart {
  return { partNumber, etag: unquote(etag), size, ...(checksum === undefined ? {} : { checksum }) }
}

function crc32Of(answer: { ChecksumCRC32?: string | undefined } | undefined): Checksum | undefined {
  return answer?.ChecksumCRC32 === undefined ? undefined : { algorithm: 'crc32', value: answer.ChecksumCRC32 }
}

/**
 * Whether a completion whose answer was lost had worked: the upload is gone and the object is the one that these parts make. A
 * multipart object's etag is the MD5 of its parts' MD5s with their number behind, unless the store encrypts with its own keys.
 */
async function completedAnyhow(
  context: S3Context,
  key: string,
  uploadId: string,
  parts: readonly UploadedPart[],
): Promise<PutResult | undefined> {
  const md5s = parts.map(({ etag }) => Buffer.from(etag, 'hex'))
  if (md5s.some((md5) => md5.length !== 16)) return undefined
  const expected = `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-${parts.length}`
  try {
    const { etag, versionId } = await headObject(context, key, { ifMatch: expected })
    const isGone = await context.connection
      .send({ key, attempts: 1 }, ({ sdk, client, http }) =>
        client.send(
          new sdk.ListPartsCommand({ Bucket: context.connection.bucket, Key: key, UploadId: uploadId }),
          http,
        ),
      )
      .then(() => false)
      .catch((error: unknown) => hasCode(error, 'not-found'))
    return isGone ? { etag, ...(versionId === undefined ? {} : { versionId }) } : undefined
  } catch {
    // The first error is the one to tell.
    return undefined
  }
}
