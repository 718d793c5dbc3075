/**
 * Verifies the signatures of OSS, version 1 and version 4, in headers and in URLs, written from the public descriptions:
 * https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
 * https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { OssError } from './errors.ts'
import type { OssRequest } from './request.ts'

/** Somebody who may sign. */
export interface Signer {
  readonly secretKey: string
  /** Of temporary credentials: the token that must come along, and when it ends, in milliseconds since the epoch. */
  readonly session?: { readonly token: string; readonly expiresAt: number }
}

/** What a signature is held against. */
export interface SignatureWorld {
  readonly region: string
  readonly now: number
  signer(accessKey: string): Signer | undefined
}

/** The place that a request names: `bucket` is empty for the service itself, `key` for the bucket. */
export interface Resource {
  readonly bucket: string
  readonly key: string
}

const skewMs = 15 * 60_000
const longestUrlSeconds = 604_800

/** The parameters that signature V1 covers; all others can be changed without breaking it. */
const signedParameters = new Set(
  `acl append callback callback-var cname comp continuation-token cors delete encryption endTime lifecycle location logging objectMeta
  partNumber policy position referer response-cache-control response-content-disposition response-content-encoding
  response-content-language response-content-type response-expires restore security-token startTime status tagging uploadId uploads
  versionId versioning versions website x-oss-process x-oss-request-payer x-oss-traffic-limit bucketInfo stat symlink`.split(
    /\s+/,
  ),
)

/** @throws OssError when the request is not signed, or not rightly */
export function verifySignature(request: OssRequest, resource: Resource, world: SignatureWorld): void {
  const authorization = request.header('authorization')
  if (authorization?.startsWith('OSS4-HMAC-SHA256 ')) verifyHeaderV4(request, resource, world, authorization)
  else if (authorization?.startsWith('OSS ')) verifyHeaderV1(request, resource, world, authorization)
  else if (authorization !== undefined) throw new OssError('InvalidArgument', 'Authorization header is invalid.')
  else if (request.asks('x-oss-signature')) verifyUrlV4(request, resource, world)
  else if (request.asks('Signature')) verifyUrlV1(request, resource, world)
  else throw new OssError('AccessDenied', 'The bucket you access does not allow anonymous requests.')
}

function verifyHeaderV1(request: OssRequest, resource: Resource, world: SignatureWorld, authorization: string): void {
  const match = /^OSS ([^:]+):(.+)$/.exec(authorization)
  if (match === null) throw new OssError('InvalidArgument', 'Authorization header is invalid.')
  const date = request.header('x-oss-date') ?? request.header('date') ?? ''
  assertRecent(Date.parse(date), world.now)
  const signer = signerOf(world, match[1] as string, request.header('x-oss-security-token'))
  compareV1(request, resource, signer, date, match[2] as string)
}

function verifyUrlV1(request: OssRequest, resource: Resource, world: SignatureWorld): void {
  const expires = request.query.get('Expires') ?? ''
  const signer = signerOf(world, request.query.get('OSSAccessKeyId') ?? '', request.query.get('security-token'))
  compareV1(request, resource, signer, expires, request.query.get('Signature') ?? '')
  if (!/^\d+$/.test(expires) || Number(expires) * 1000 < world.now) {
    throw new OssError('AccessDenied', 'Request has expired.')
  }
}

function compareV1(request: OssRequest, resource: Resource, signer: Signer, date: string, signature: string): void {
  const headers = request.headersWith('x-oss-').sort(byName)
  const parameters = [...request.query].filter(([name]) => signedParameters.has(name)).sort(byName)
  const query = parameters.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&')
  const path = resource.bucket === '' ? '/' : `/${resource.bucket}/${resource.key}`
  const text = [
    request.method,
    request.header('content-md5') ?? '',
    request.header('content-type') ?? '',
    date,
    ...headers.map(([name, value]) => `${name}:${value.trim()}`),
    query === '' ? path : `${path}?${query}`,
  ].join('\n')
  const expected = createHmac('sha1', signer.secretKey).update(text).digest('base64')
  if (!equal(expected, signature)) throw mismatch(signature, text)
}

function verifyHeaderV4(request: OssRequest, resource: Resource, world: SignatureWorld, authorization: string): void {
  const fields = new Map(
    authorization
      .slice('OSS4-HMAC-SHA256 '.length)
      .split(',')
      .map((field) => field.trim().split(/=(.*)/s) as [string, string]),
  )
  const date = request.header('x-oss-date') ?? ''
  if (request.header('x-oss-content-sha256') !== 'UNSIGNED-PAYLOAD') {
    throw new OssError('InvalidArgument', 'The x-oss-content-sha256 header must be UNSIGNED-PAYLOAD.')
  }
  const time = parseTime(date)
  assertRecent(time, world.now)
  const { accessKey, scope } = credentialOf(fields.get('Credential') ?? '', date, world, 'Authorization header')
  const signer = signerOf(world, accessKey, request.header('x-oss-security-token'))
  const additional = (fields.get('AdditionalHeaders') ?? '').split(';').filter((name) => name !== '')
  const query = [...request.query]
  compareV4(request, resource, signer, { date, scope, additional, query, signature: fields.get('Signature') ?? '' })
}

function verifyUrlV4(request: OssRequest, resource: Resource, world: SignatureWorld): void {
  const { query } = request
  const date = query.get('x-oss-date') ?? ''
  if (query.get('x-oss-signature-version') !== 'OSS4-HMAC-SHA256') {
    throw new OssError('InvalidArgument', 'Invalid signature version.')
  }
  const expires = query.get('x-oss-expires') ?? ''
  if (!/^\d+$/.test(expires) || Number(expires) < 1 || Number(expires) > longestUrlSeconds) {
    throw new OssError('InvalidArgument', 'x-oss-expires must be between 1 and 604800 seconds.')
  }
  const { accessKey, scope } = credentialOf(query.get('x-oss-credential') ?? '', date, world, 'query')
  const signer = signerOf(world, accessKey, query.get('x-oss-security-token'))
  const additional = (query.get('x-oss-additional-headers') ?? '').split(';').filter((name) => name !== '')
  const signed = [...query].filter(([name]) => name !== 'x-oss-signature')
  const signature = query.get('x-oss-signature') ?? ''
  compareV4(request, resource, signer, { date, scope, additional, query: signed, signature })
  const time = parseTime(date)
  if (time > world.now + skewMs) throw new OssError('AccessDenied', 'Request is not valid yet.')
  if (time + Number(expires) * 1000 < world.now) throw new OssError('AccessDenied', 'Request has expired.')
}

interface SignedV4 {
  date: string
  scope: string
  additional: readonly string[]
  query: [string, string][]
  signature: string
}

function compareV4(request: OssRequest, resource: Resource, signer: Signer, signed: SignedV4): void {
  for (const name of signed.additional) {
    if (request.header(name) === undefined) {
      throw new OssError('InvalidArgument', `The additional header ${name} was not sent.`)
    }
  }
  const headers = request
    .headersWith('')
    .filter(
      ([name]) =>
        name === 'content-type' ||
        name === 'content-md5' ||
        name.startsWith('x-oss-') ||
        signed.additional.includes(name),
    )
    .sort(byName)
  const query = signed.query
    .map(([name, value]): [string, string] => [encode(name), encode(value)])
    .sort(byName)
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .join('&')
  const path = resource.bucket === '' ? '/' : `/${resource.bucket}/${resource.key}`
  const canonical = [
    request.method,
    path.split('/').map(encode).join('/'),
    query,
    headers.map(([name, value]) => `${name}:${value.trim()}\n`).join(''),
    [...signed.additional].sort().join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n')
  const text = [
    'OSS4-HMAC-SHA256',
    signed.date,
    signed.scope,
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n')
  const key = signed.scope
    .split('/')
    .reduce<string | Buffer>((previous, part) => hmac(previous, part), `aliyun_v4${signer.secretKey}`)
  const expected = hmac(key, text).toString('hex')
  if (!equal(expected, signed.signature)) throw mismatch(signed.signature, text, canonical)
}

function credentialOf(
  credential: string,
  date: string,
  world: SignatureWorld,
  where: string,
): { accessKey: string; scope: string } {
  const [accessKey = '', day, region, product, end] = credential.split('/')
  const invalid = (what: string): OssError => new OssError('InvalidArgument', `Invalid signing ${what} in ${where}.`)
  if (day !== date.slice(0, 8)) throw invalid('date')
  if (region !== world.region) throw invalid('region')
  if (product !== 'oss') throw invalid('product')
  if (end !== 'aliyun_v4_request') throw invalid('terminator')
  return { accessKey, scope: `${day}/${region}/${product}/${end}` }
}

function signerOf(world: SignatureWorld, accessKey: string, token: string | undefined): Signer {
  const signer = world.signer(accessKey)
  // Temporary keys are no keys without their token.
  if (signer === undefined || (signer.session !== undefined && token === undefined)) {
    throw new OssError('InvalidAccessKeyId', 'The OSS Access Key Id you provided does not exist in our records.', {
      OSSAccessKeyId: accessKey,
    })
  }
  if (signer.session?.token !== token) {
    throw new OssError('InvalidSecurityToken', 'The security token you provided is invalid.')
  }
  if (signer.session !== undefined && signer.session.expiresAt <= world.now) {
    throw new OssError('SecurityTokenExpired', 'The security token you provided has expired.')
  }
  return signer
}

function assertRecent(time: number, now: number): void {
  if (Number.isNaN(time)) throw new OssError('AccessDenied', 'OSS authentication requires a valid Date.')
  if (Math.abs(time - now) > skewMs) {
    throw new OssError(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      { MaxAllowedSkewMilliseconds: String(skewMs) },
    )
  }
}

/** The time of `20260131T235959Z`. */
function parseTime(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (match === null) return Number.NaN
  const [, year, month, day, hour, minute, second] = match.map(Number) as [...number[]] & { length: 7 }
  return Date.UTC(year as number, (month as number) - 1, day, hour, minute, second)
}

function mismatch(provided: string, text: string, canonical?: string): OssError {
  return new OssError(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    {
      SignatureProvided: provided,
      StringToSign: text,
      ...(canonical === undefined ? {} : { CanonicalRequest: canonical }),
    },
  )
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  return Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0]))
}

function equal(expected: string, provided: string): boolean {
  return expected.length === provided.length && timingSafeEqual(Buffer.from(expected), Buffer.from(provided))
}
