import type { PresignedRequest, PresignOptions } from '@stowage/core'
import { assertPresign, attachment, secondsLeft } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { encodeQuery, type Query } from './encode.ts'
import { pathOf } from './endpoint.ts'
import { signQuery } from './sign.ts'

/**
 * Signs a request with our credentials, for somebody who has none. It covers every `x-oss-` header: one that is added, such as a copy
 * source, breaks it. A write is create-only where the bucket can be told so. No URL outlives the session token.
 */
export async function presignRequest(context: OssContext, options: PresignOptions): Promise<PresignedRequest> {
  const { adapter, transport } = context
  transport.begin(options.signal)
  assertPresign(adapter, options)
  const { key } = options
  const credentials = await transport.credentials.get()
  const signing = transport.signing(credentials)
  const expiresIn = secondsLeft(adapter, options.expiresIn, signing.now, credentials.expiresAt)
  const verb = options.method === 'get' ? 'GET' : 'PUT'
  const headers = headersFor(context, options)
  // As a parameter, so that whoever uses the URL need not know of it.
  const asked = { ...queryFor(options), ...transport.everyHeaders }
  const request = { method: verb, bucket: transport.bucket, key, query: asked, headers }
  const query = encodeQuery(signQuery(request, signing, expiresIn))
  return {
    url: `${transport.address.origin}${pathOf(key)}?${query}`,
    method: verb,
    headers,
    expiresAt: signing.now + expiresIn * 1000,
  }
}

function queryFor(options: PresignOptions): Query {
  if (options.method === 'part') {
    return { partNumber: String(options.partNumber), uploadId: options.uploadId ?? '' }
  }
  if (options.downloadName === undefined || options.method !== 'get') return {}
  return { 'response-content-disposition': attachment(options.downloadName) }
}

function headersFor({ adapter, encryption }: OssContext, options: PresignOptions): Record<string, string> {
  if (options.method === 'get') return {}
  // OSS holds the type that is sent against the signature, also that which a browser adds by itself: so one is always named.
  const type = { 'content-type': options.contentType ?? 'application/octet-stream' }
  if (options.method === 'part') return type
  const createOnly = adapter.capabilities.conditional.putCreateOnly
  return { ...type, ...encryption, ...(createOnly ? { 'x-oss-forbid-overwrite': 'true' } : {}) }
}
