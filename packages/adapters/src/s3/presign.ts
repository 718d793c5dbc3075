import type { PresignedRequest, PresignOptions } from '@stowage/core'
import { assertPresign, attachment, secondsLeft } from '../shared/index.ts'
import { type EncryptionFields, encryptionHeaders } from './encryption.ts'
import type { S3Context } from './objects.ts'
import { loadPresigner, type S3Client, type Sdk } from './sdk.ts'

/**
 * Signs a request with our credentials, for somebody who has none. A write is create-only, has the content type that is named and the
 * encryption of the source, and is signed with credentials narrowed to its key where the source has such. No URL outlives what it was
 * signed with.
 */
export async function presignRequest(context: S3Context, options: PresignOptions): Promise<PresignedRequest> {
  const { adapter, connection } = context
  connection.begin(options.signal)
  assertPresign(adapter, options)
  const { key, method } = options
  const now = connection.clock.now()
  if (method === 'get' && options.downloadName === undefined) {
    const last = (expiresAt: number | undefined) => secondsLeft(adapter, options.expiresIn, now, expiresAt)
    const signed = await connection.presignGet(key, now, last)
    if (signed !== undefined) {
      return { url: signed.url, method: 'GET', headers: {}, expiresAt: now + signed.expiresIn * 1000 }
    }
  }
  const narrowTo = method === 'get' ? undefined : { key, seconds: options.expiresIn, now }
  const [{ sdk, client, expiresAt }, { getSignedUrl }] = await Promise.all([
    connection.signer(narrowTo),
    loadPresigner(),
  ])
  const expiresIn = secondsLeft(adapter, options.expiresIn, now, expiresAt)
  const createOnly = method === 'put' && adapter.capabilities.conditional.putCreateOnly
  const headers = {
    ...(method === 'put' && options.contentType !== undefined ? { 'content-type': options.contentType } : {}),
    ...(createOnly ? { 'if-none-match': '*' } : {}),
    // A part is encrypted as its upload was created.
    ...(method === 'put' ? encryptionHeaders(context.encryption) : {}),
  }
  // Signed as headers: as a part of the URL stores do not look at them, and unsigned the holder could leave them out.
  const names = new Set(Object.keys(headers))
  const signing = { expiresIn, signingDate: new Date(now), signableHeaders: names, unhoistableHeaders: names }
  const object = { Bucket: connection.bucket, Key: key }
  const condition = createOnly ? { IfNoneMatch: '*' } : {}
  const put = { ...object, ...condition, ...context.encryption }
  const url = await signedUrl({ sdk, client, getSignedUrl, signing }, object, put, options)
  return {
    url,
    method: method === 'get' ? 'GET' : 'PUT',
    headers,
    expiresAt: now + expiresIn * 1000,
  }
}

type Presigner = Awaited<ReturnType<typeof loadPresigner>>['getSignedUrl']

interface Signing {
  sdk: Sdk
  client: S3Client
  getSignedUrl: Presigner
  signing: Parameters<Presigner>[2]
}

function signedUrl(
  { sdk, client, getSignedUrl, signing }: Signing,
  object: { Bucket: string; Key: string },
  put: typeof object & EncryptionFields & { IfNoneMatch?: string },
  { method, contentType, downloadName, uploadId, partNumber }: PresignOptions,
): Promise<string> {
  if (method === 'get') {
    const disposition = downloadName === undefined ? {} : { ResponseContentDisposition: attachment(downloadName) }
    return getSignedUrl(client, new sdk.GetObjectCommand({ ...object, ...disposition }), signing)
  }
  if (method === 'part') {
    const part = { ...object, UploadId: uploadId, PartNumber: partNumber }
    return getSignedUrl(client, new sdk.UploadPartCommand(part), signing)
  }
  const type = contentType === undefined ? {} : { ContentType: contentType }
  return getSignedUrl(client, new sdk.PutObjectCommand({ ...put, ...type }), signing)
}
