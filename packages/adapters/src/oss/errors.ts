import { type ErrorCode, StowageError } from '@stowage/core'
import { childText, parseXml } from './xml.ts'

/** Where an error happened, for its message. */
export interface Where {
  id: string
  bucket: string
  /** Host and port, as they are shown. */
  host: string
  key?: string | undefined
}

interface Meaning {
  code: ErrorCode
  says: string
  hint?: string
  retryable?: boolean
}

const badKey: Meaning = {
  code: 'access-denied',
  says: 'the store does not know the access key',
  hint: 'Check accessKey (and sessionToken).',
}
const badToken: Meaning = { code: 'access-denied', says: 'the session token is not valid', hint: 'Get a new one.' }
const wrongBytes: Meaning = { code: 'integrity', says: 'the store got other bytes than were announced' }
const throttled: Meaning = { code: 'throttled', says: 'the store asks for fewer requests' }
const wrongPart: Meaning = { code: 'invalid-request', says: 'a part is unknown, out of order or too small' }
const badName: Meaning = { code: 'invalid-key', says: 'the store refuses the key' }
const failed: Meaning = { code: 'unavailable', says: 'the store failed' }
const wrongPlace: Meaning = {
  code: 'configuration',
  says: 'the bucket is in another region or at another endpoint',
  hint: 'Set region and endpoint to those of the bucket.',
}

/** By OSS's own error code: https://www.alibabacloud.com/help/en/oss/support/error-codes */
const byName: Readonly<Record<string, Meaning>> = {
  AccessDenied: { code: 'access-denied', says: 'access denied', hint: 'The credentials lack the right for this call.' },
  BadGateway: failed,
  DownloadTrafficRateLimitExceeded: throttled,
  EntityTooLarge: { code: 'invalid-request', says: 'more bytes than the store takes' },
  EntityTooSmall: wrongPart,
  FileAlreadyExists: { code: 'precondition-failed', says: 'the object exists already' },
  FileImmutable: { code: 'access-denied', says: 'a retention policy protects the object', hint: 'Wait until it ends.' },
  IncompleteBody: wrongBytes,
  InternalError: failed,
  InvalidAccessKeyId: badKey,
  InvalidCRC: wrongBytes,
  InvalidDigest: wrongBytes,
  InvalidObjectName: badName,
  InvalidObjectState: { code: 'archived', says: 'the object is archived', hint: 'Restore it first.' },
  InvalidPart: wrongPart,
  InvalidPartOrder: wrongPart,
  InvalidRange: { code: 'invalid-request', says: 'the range begins beyond the end' },
  InvalidSecurityToken: badToken,
  KeyTooLong: badName,
  MethodNotAllowed: { code: 'not-supported', says: 'the store does not allow this call' },
  NoSuchBucket: { code: 'bucket-not-found', says: 'the bucket does not exist', hint: 'Create it, or check its name.' },
  NoSuchKey: { code: 'not-found', says: 'there is no such object' },
  NoSuchUpload: { code: 'not-found', says: 'there is no such unfinished upload', hint: 'Start a new one.' },
  NoSuchVersion: { code: 'not-found', says: 'there is no such version' },
  NotImplemented: { code: 'not-supported', says: 'the store does not know this call' },
  ObjectNotAppendable: { code: 'conflict', says: 'the object is of another kind' },
  OperationNotSupported: { code: 'not-supported', says: 'the store does not support this call for the object' },
  PreconditionFailed: { code: 'precondition-failed', says: 'the condition did not hold' },
  QpsLimitExceeded: throttled,
  RequestTimeTooSkewed: {
    code: 'access-denied',
    says: "the store's clock and ours differ too much",
    hint: "Set this machine's clock.",
  },
  RequestTimeout: { code: 'timeout', says: 'the store waited too long for our bytes' },
  RestoreAlreadyInProgress: { code: 'conflict', says: 'the object is being restored already' },
  SecondLevelDomainForbidden: {
    code: 'configuration',
    says: 'the store wants the bucket in the host name',
    hint: 'Set endpoint to a name, such as https://oss-cn-hangzhou.aliyuncs.com, or cname for a custom domain.',
  },
  SecurityTokenExpired: { code: 'access-denied', says: 'the session token has expired', hint: 'Get a new one.' },
  ServiceUnavailable: throttled,
  SignatureDoesNotMatch: {
    code: 'access-denied',
    says: 'the signature is wrong',
    hint: 'Check secretKey, region and endpoint.',
  },
  TotalQpsLimitExceeded: throttled,
  UploadTrafficRateLimitExceeded: throttled,
}

/** By HTTP status, where the answer does not name its error. */
function byStatus(status: number): Meaning {
  if (status >= 300 && status < 400) return wrongPlace
  if (status === 401 || status === 403) return byName['AccessDenied'] as Meaning
  if (status === 404) return byName['NoSuchKey'] as Meaning
  if (status === 409) return { code: 'conflict', says: 'another call on the same thing was under way', retryable: true }
  if (status === 412) return byName['PreconditionFailed'] as Meaning
  if (status === 416) return byName['InvalidRange'] as Meaning
  if (status === 429) return throttled
  if (status === 501) return byName['NotImplemented'] as Meaning
  if (status >= 500) return { code: 'unavailable', says: `the store failed with status ${status}` }
  return { code: 'invalid-request', says: `the store refused the request with status ${status}` }
}

/** An answer that is an error. */
export interface Refusal {
  status: number
  headers: Readonly<Record<string, string>>
  /** Empty for HEAD: then the header `x-oss-err` has it. */
  body: string
  /** Milliseconds since the epoch. */
  now: number
}

/** OSS's error code of an answer. */
export function ossCodeOf({ headers, body }: Pick<Refusal, 'headers' | 'body'>): string | undefined {
  const document = body === '' ? Buffer.from(headers['x-oss-err'] ?? '', 'base64').toString('utf8') : body
  return errorFields(document).code
}

/** Makes a StowageError of an answer. The one place where OSS's errors get their meaning. */
export function mapRefusal(refusal: Refusal, where: Where): StowageError {
  const { status, headers, body, now } = refusal
  const document = body === '' ? Buffer.from(headers['x-oss-err'] ?? '', 'base64').toString('utf8') : body
  const { code, message } = errorFields(document)
  const meaning = meaningOf(code, message, status)
  const isNamed = code === undefined || byName[code] === meaning
  const request = headers['x-oss-request-id']
  const notes = [isNamed ? undefined : code, request === undefined ? undefined : `request ${shown(request)}`]
  const told = notes.filter((note) => note !== undefined).join(', ')
  const retryAfterMs = retryAfter(headers['retry-after'], now)
  return new StowageError(
    meaning.code,
    `${where.id}: ${subjectOf(where)}: ${meaning.says}${told === '' ? '' : ` (${told})`}.`,
    {
      // Messages of OSS quote signatures and what was signed: they belong in no log.
      cause: new Error(
        [code ?? 'no code', `status ${status}`, headers['x-oss-ec']].filter(Boolean).map(shown).join(' '),
      ),
      sourceId: where.id,
      ...(where.key === undefined ? {} : { key: where.key }),
      ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
      ...(meaning.retryable === undefined ? {} : { retryable: meaning.retryable }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  )
}

function meaningOf(code: string | undefined, message: string | undefined, status: number): Meaning {
  if (code === 'InvalidArgument' && /invalid signing/i.test(message ?? '')) return wrongPlace
  // An endpoint of another region says so by name: "must be addressed using the specified endpoint".
  if (code === 'AccessDenied' && /specified endpoint/i.test(message ?? '')) return wrongPlace
  // An answer of 412 names the condition that failed as its code in some cases.
  return (code !== undefined && Object.hasOwn(byName, code) ? byName[code] : undefined) ?? byStatus(status)
}

function errorFields(document: string): { code?: string | undefined; message?: string | undefined } {
  if (document === '') return {}
  try {
    const root = parseXml(document)
    return { code: childText(root, 'Code'), message: childText(root, 'Message') }
  } catch {
    return {}
  }
}

const tlsCodes =
  /^(ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(VERIFY|GET)|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/

/** Makes a StowageError of what a connection failed with. */
export function mapTransport(error: unknown, where: Where): StowageError {
  if (StowageError.isInstance(error)) return error
  const thrown = (error ?? {}) as { code?: unknown; name?: unknown; message?: unknown }
  const code = typeof thrown.code === 'string' ? thrown.code : ''
  const meaning = transportMeaning(code)
  const detail = meaning.code === 'internal' ? `: ${String(thrown.message).slice(0, 200)}` : ''
  return new StowageError(meaning.code, `${where.id}: ${subjectOf(where)}: ${meaning.says}${detail}.`, {
    cause: error,
    sourceId: where.id,
    ...(where.key === undefined ? {} : { key: where.key }),
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
    ...(meaning.retryable === undefined ? {} : { retryable: meaning.retryable }),
  })
}

function transportMeaning(code: string): Meaning {
  if (tlsCodes.test(code)) {
    return {
      code: 'unavailable',
      says: 'the TLS connection failed',
      hint: "Check the store's certificate; give its authority as tls.ca.",
      retryable: false,
    }
  }
  if (code === 'ETIMEDOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') return { code: 'timeout', says: 'no answer in time' }
  if (code === 'ENOTFOUND') {
    return { code: 'unavailable', says: 'the host name is not known', hint: 'Check endpoint, region and bucket.' }
  }
  if (code === 'ECONNREFUSED')
    return { code: 'unavailable', says: 'nothing answers there', hint: 'Is it the right endpoint?' }
  if (/^(E|UND_ERR|HPE_)/.test(code)) return { code: 'unavailable', says: 'the connection failed' }
  return { code: 'internal', says: 'the call failed' }
}

function subjectOf({ bucket, host, key }: Where): string {
  return `${key === undefined ? `bucket ${bucket}` : JSON.stringify(key)} at ${host}`
}

/** What came from outside, fit for one line. */
function shown(text: string | undefined): string {
  return (text ?? '').replace(/[^\x20-\x7e]/g, '?').slice(0, 80)
}

/** Milliseconds that a `Retry-After` header asks for: seconds or a date. */
function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
