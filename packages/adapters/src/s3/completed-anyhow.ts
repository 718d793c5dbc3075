import { createHash } from 'node:crypto'
import { hasCode, type PutResult, type UploadedPart } from '@stowage/core'
import { headObject, type S3Context } from './objects.ts'

/**
 * Whether a completion whose answer was lost had worked: the upload is gone and the object is the one that these parts make. A
 * multipart object's etag is the MD5 of its parts' MD5s with their number behind, unless the store encrypts with its own keys.
 */
export async function completedAnyhow(
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
