/**
 * The signatures of OSS, version 4 and version 1:
 * https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
 * https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header
 */
import { createHash, createHmac } from 'node:crypto'
import { encodePath, encodeQuery, type Query } from './encode.ts'
import type { OssCredentials } from './options.ts'

/** A request that is to be signed. */
export interface Signable {
  method: string
  bucket: string
  /** Empty for the bucket itself. */
  key: string
  query: Query
  /** Names in lower case, values as they are sent. */
  headers: Readonly<Record<string, string>>
}

/** What signs. */
export interface Signing {
  version: 'v1' | 'v4'
  region: string
  credentials: OssCredentials
  /** Milliseconds since the epoch. */
  now: number
}

/** The headers that sign a request, to be sent besides its own. */
export function signHeaders(request: Signable, signing: Signing): Record<string, string> {
  const { credentials, now, version } = signing
  const token: Record<string, string> =
    credentials.sessionToken === undefined ? {} : { 'x-oss-security-token': credentials.sessionToken }
  if (version === 'v1') {
    const date = new Date(now).toUTCString()
    const signature = signatureV1({ ...request, headers: { ...request.headers, ...token } }, credentials, date)
    return { ...token, date, authorization: `OSS ${credentials.accessKey}:${signature}` }
  }
  const date = compactTime(now)
  const added: Record<string, string> = { ...token, 'x-oss-date': date, 'x-oss-content-sha256': 'UNSIGNED-PAYLOAD' }
  const scope = scopeOf(date, signing.region)
  const signature = signatureV4({ ...request, headers: { ...request.headers, ...added } }, signing, date, scope)
  return {
    ...added,
    authorization: `OSS4-HMAC-SHA256 Credential=${credentials.accessKey}/${scope},Signature=${signature}`,
  }
}

/** The parameters that make a URL of a request, its own included. The request's headers must be sent as they are. */
export function signQuery(request: Signable, signing: Signing, expiresIn: number): Query {
  const { credentials, now, version } = signing
  const { sessionToken } = credentials
  if (version === 'v1') {
    const expires = String(Math.floor(now / 1000) + expiresIn)
    const query = { ...request.query, ...(sessionToken === undefined ? {} : { 'security-token': sessionToken }) }
    const signature = signatureV1({ ...request, query }, credentials, expires)
    return { ...query, OSSAccessKeyId: credentials.accessKey, Expires: expires, Signature: signature }
  }
  const date = compactTime(now)
  const scope = scopeOf(date, signing.region)
  const query = {
    ...request.query,
    'x-oss-signature-version': 'OSS4-HMAC-SHA256',
    'x-oss-credential': `${credentials.accessKey}/${scope}`,
    'x-oss-date': date,
    'x-oss-expires': String(expiresIn),
    ...(sessionToken === undefined ? {} : { 'x-oss-security-token': sessionToken }),
  }
  return { ...query, 'x-oss-signature': signatureV4({ ...request, query }, signing, date, scope) }
}

/** What signature V4 hashes. */
export function canonicalRequestV4({ method, bucket, key, query, headers }: Signable): string {
  let signed = ''
  for (const name of Object.keys(headers).sort()) {
    if (name === 'content-type' || name === 'content-md5' || name.startsWith('x-oss-')) {
      signed += `${name}:${headers[name]?.trim()}\n`
    }
  }
  return `${method}\n/${bucket}/${encodePath(key)}\n${encodeQuery(query)}\n${signed}\n\nUNSIGNED-PAYLOAD`
}

/** The parameters that signature V1 covers, as far as they are sent from here. */
const signedParameters = new Set([
  'continuation-token',
  'delete',
  'partNumber',
  'response-content-disposition',
  'restore',
  'security-token',
  'tagging',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'x-oss-request-payer',
])

/** What signature V1 signs. `date` is that of the header, or the time when a URL ends. */
export function stringToSignV1({ method, bucket, key, query, headers }: Signable, date: string): string {
  let signed = ''
  for (const name of Object.keys(headers).sort()) {
    if (name.startsWith('x-oss-')) signed += `${name}:${headers[name]?.trim()}\n`
  }
  const parameters = Object.keys(query)
    .filter((name) => signedParameters.has(name))
    .sort()
    .map((name) => (query[name] === '' ? name : `${name}=${query[name]}`))
  const resource = `/${bucket}/${key}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`
  return `${method}\n${headers['content-md5'] ?? ''}\n${headers['content-type'] ?? ''}\n${date}\n${signed}${resource}`
}

function signatureV1(request: Signable, { secretKey }: OssCredentials, date: string): string {
  return createHmac('sha1', secretKey).update(stringToSignV1(request, date)).digest('base64')
}

function signatureV4(request: Signable, { credentials, region }: Signing, date: string, scope: string): string {
  const hashed = createHash('sha256').update(canonicalRequestV4(request)).digest('hex')
  const key = signingKey(credentials, date.slice(0, 8), region)
  return createHmac('sha256', key).update(`OSS4-HMAC-SHA256\n${date}\n${scope}\n${hashed}`).digest('hex')
}

/** Signing keys last a day. Kept by the credentials they are made of, they go with them. */
const signingKeys = new WeakMap<OssCredentials, { of: string; key: Buffer }>()

function signingKey(credentials: OssCredentials, day: string, region: string): Buffer {
  const of = `${day}/${region}`
  const kept = signingKeys.get(credentials)
  if (kept?.of === of) return kept.key
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const key = hmac(hmac(hmac(hmac(`aliyun_v4${credentials.secretKey}`, day), region), 'oss'), 'aliyun_v4_request')
  signingKeys.set(credentials, { of, key })
  return key
}

function scopeOf(date: string, region: string): string {
  return `${date.slice(0, 8)}/${region}/oss/aliyun_v4_request`
}

/** `20260131T235959Z` */
function compactTime(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
}
