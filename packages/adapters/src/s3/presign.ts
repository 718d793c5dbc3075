import type { PresignedRequest, PresignOptions } from '@stowage/core'
import { assertPresign, attachment } from '../shared/index.ts'
import type { S3Context } from './objects.ts'
import { loadPresigner } from './sdk.ts'

/** Signs a request with our credentials, for somebody who has none. */
export async function presignRequest(
  { adapter, connection }: S3Context,
  options: PresignOptions,
): Promise<PresignedRequest> {
  connection.begin(options.signal)
  assertPresign(adapter, options)
  const { key, expiresIn, method, contentType } = options
  const [{ sdk, client }, { getSignedUrl }] = await Promise.all([connection.signer(), loadPresigner()])
  const object = { Bucket: connection.bucket, Key: key }
  const now = connection.clock.now()
  const signing = { expiresIn, signingDate: new Date(now) }
  const signed = (url: string, verb: 'GET' | 'PUT', headers: Record<string, string> = {}): PresignedRequest => ({
    url,
    method: verb,
    headers,
    expiresAt: now + expiresIn * 1000,
  })
  if (method === 'get') {
    const command = new sdk.GetObjectCommand({
      ...object,
      ...(options.downloadName === undefined ? {} : { ResponseContentDisposition: attachment(options.downloadName) }),
    })
    return signed(await getSignedUrl(client, command, signing), 'GET')
  }
  if (method === 'part') {
    const command = new sdk.UploadPartCommand({ ...object, UploadId: options.uploadId, PartNumber: options.partNumber })
    return signed(await getSignedUrl(client, command, signing), 'PUT')
  }
  const command = new sdk.PutObjectCommand({
    ...object,
    ...(contentType === undefined ? {} : { ContentType: contentType }),
  })
  const url = await getSignedUrl(client, command, {
    ...signing,
    // Else the type would be a wish that the uploader may ignore.
    ...(contentType === undefined ? {} : { signableHeaders: new Set(['content-type']) }),
  })
  return signed(url, 'PUT', contentType === undefined ? {} : { 'content-type': contentType })
}
