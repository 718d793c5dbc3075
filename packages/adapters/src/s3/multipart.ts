import { bodySize, combinedChecksum, hasCode, type MultipartOperations } from '@stowage/core'
import {
  allRows,
  assertComplete,
  assertKey,
  assertObjectChecksum,
  assertPartNumber,
  assertRange,
  assertSupported,
  movesFrom,
  preconditionFailed,
  quote,
  rangeHeader,
  risesFrom,
  type UploadMarker,
  unknownUpload,
  uploadedPart,
} from '../shared/index.ts'
import { assertJoinable, checksumFields, toldChecksum, wholeFields } from './checksum-fields.ts'
import { completedAnyhow } from './completed-anyhow.ts'
import type { CompleteRequest } from './data-path.ts'
import { decodeListed } from './headers.ts'
import { copySource, headObject, putResult, type S3Context, writeFields } from './objects.ts'
import { prepareBody } from './upload-body.ts'

/** The multipart calls of an S3-like store. */
export function s3Multipart(context: S3Context): MultipartOperations {
  const { adapter, connection, dialect } = context
  const { bucket } = connection

  return {
    async create(key, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key, true)
      const headers = writeFields(context, options)
      const { objectChecksum } = options
      assertObjectChecksum(adapter, objectChecksum)
      const request = { headers, whole: wholeFields(objectChecksum) }
      // Sent twice, it would leave an upload behind that nobody knows.
      const uploadId = await connection.data({ key, signal: options.signal, repeatable: false }, (path, flow) =>
        path.begin(key, request, flow),
      )
      return { uploadId }
    },

    async uploadPart(key, uploadId, partNumber, body, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key, true)
      assertPartNumber(adapter, partNumber)
      const { checksum, signal, objectChecksum, onSent } = options
      const size = bodySize(body, options.size)
      assertObjectChecksum(adapter, objectChecksum)
      if (objectChecksum !== undefined) assertJoinable(adapter, body, size, objectChecksum, checksum)
      const upload = await prepareBody(adapter, body, {
        key,
        size,
        checksum,
        signal,
        algorithm: objectChecksum,
        onSent,
        byMd5: !(dialect.checksums && dialect.partChecksums) && objectChecksum === undefined,
      })
      const answer = await connection
        .data({ key, signal, ...(upload.repeatable ? {} : { attempts: 1 }) }, (path, flow) =>
          path.part(key, uploadId, partNumber, upload, flow),
        )
        .catch(unknownUpload(adapter, key))
      const announced = objectChecksum === undefined ? checksum : toldChecksum(upload.fields)
      return uploadedPart(partNumber, answer.ETag, size, announced)
    },

    async uploadPartCopy(key, uploadId, partNumber, sourceKey, options) {
      connection.begin(options.signal)
      const { multipart } = adapter.capabilities
      assertSupported(adapter, multipart !== false && multipart.partCopy, 'uploadPartCopy')
      assertKey(adapter, key, true)
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
      const { CopyPartResult: made } = answer
      return uploadedPart(partNumber, made?.ETag, options.range.length, made && toldChecksum(made))
    },

    async listParts(key, uploadId, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key)
      return allRows(async (marker: number | undefined) => {
        const answer = await connection
          .send({ key, signal: options.signal }, ({ sdk, client, http }) =>
            client.send(
              new sdk.ListPartsCommand({
                Bucket: bucket,
                Key: key,
                UploadId: uploadId,
                ...(marker === undefined ? {} : { PartNumberMarker: String(marker) }),
              }),
              http,
            ),
          )
          .catch(unknownUpload(adapter, key))
        const rows = (answer.Parts ?? []).map((part) =>
          uploadedPart(part.PartNumber ?? 0, part.ETag, part.Size ?? 0, toldChecksum(part)),
        )
        return { rows, next: answer.IsTruncated === true ? Number(answer.NextPartNumberMarker) : undefined }
      }, risesFrom)
    },

    async complete(key, uploadId, parts, options = {}) {
      connection.begin(options.signal)
      assertKey(adapter, key, true)
      const createOnly = assertComplete(adapter, parts, options)
      const { objectChecksum, ifMatch } = options
      assertObjectChecksum(adapter, objectChecksum)
      const checksum = objectChecksum === undefined ? undefined : combinedChecksum(objectChecksum, parts)
      const request: CompleteRequest = {
        parts: parts.map(({ partNumber, etag, checksum }) => ({
          PartNumber: partNumber,
          ETag: quote(etag),
          ...(objectChecksum === undefined ? {} : checksumFields(checksum)),
        })),
        whole: objectChecksum === undefined ? {} : { ChecksumType: 'FULL_OBJECT', ...checksumFields(checksum) },
        ifNoneMatch: createOnly ? '*' : undefined,
        ifMatch: ifMatch === undefined ? undefined : quote(ifMatch),
      }
      try {
        const answer = await connection.data(
          { key, signal: options.signal, repeatable: false, slow: true },
          (path, flow) => path.complete(key, uploadId, request, flow),
        )
        if (answer.ETag) return putResult(answer.ETag, answer.VersionId)
        // Ceph leaves it out.
        const { etag, versionId } = await headObject(
          context,
          key,
          options.signal === undefined ? {} : { signal: options.signal },
        )
        return { etag, ...(versionId === undefined ? {} : { versionId }) }
      } catch (error) {
        const done = hasCode(error, 'unavailable', 'timeout')
          ? await completedAnyhow(context, key, uploadId, parts)
          : undefined
        if (done !== undefined) return done
        if (ifMatch !== undefined && hasCode(error, 'not-found') && (await isMissing(context, key, options.signal))) {
          // What does not exist does not have the etag.
          throw preconditionFailed(adapter, key, 'does not exist', error)
        }
        return unknownUpload(adapter, key)(error)
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
      return allRows(async (marker: UploadMarker | undefined) => {
        const answer = await connection.send({ key, signal: options.signal }, ({ sdk, client, http }) =>
          client.send(
            new sdk.ListMultipartUploadsCommand({
              Bucket: bucket,
              Prefix: key,
              ...(dialect.encodingType ? { EncodingType: 'url' } : {}),
              ...(marker === undefined ? {} : { KeyMarker: marker.key }),
              ...(marker?.uploadId ? { UploadIdMarker: marker.uploadId } : {}),
            }),
            http,
          ),
        )
        const decode = answer.EncodingType === 'url' ? decodeListed : (text: string): string => text
        const uploads = (answer.Uploads ?? []).map((upload) => ({ ...upload, Key: decode(upload.Key ?? '') }))
        const rows = uploads
          .filter((upload) => upload.Key === key || isEncoded(upload.Key, key))
          .map(({ UploadId, Initiated }) => ({ key, uploadId: UploadId ?? '', initiated: Initiated?.getTime() ?? 0 }))
        // The exact key comes first of all that begin with it.
        const more = answer.IsTruncated === true && rows.length === uploads.length
        const { NextKeyMarker, NextUploadIdMarker = '' } = answer
        const next =
          more && NextKeyMarker !== undefined ? { key: decode(NextKeyMarker), uploadId: NextUploadIdMarker } : undefined
        return { rows, next }
      }, movesFrom)
    },
  }
}

/** Whether a row is the key as `encoding-type=url` writes it: Ceph encodes rows and does not say so. No other key begins with the asked one so. */
function isEncoded(row: string, key: string): boolean {
  try {
    return decodeListed(row) === key
  } catch {
    return false
  }
}

async function isMissing(context: S3Context, key: string, signal: AbortSignal | undefined): Promise<boolean> {
  return await headObject(context, key, signal === undefined ? {} : { signal }).then(
    () => false,
    (error: unknown) => hasCode(error, 'not-found'),
  )
}
