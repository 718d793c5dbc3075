import { StowageError } from '@stowage/core'
import {
  asksForTls,
  commonMeanings,
  connectionCode,
  connectionMeaning,
  type Meaning,
  meanings,
  retryAfter,
  statusMeaning,
  storeError,
  type Where,
  wantsTls,
  wrongPlace,
} from '../shared/index.ts'
import { childText, parseXml } from './xml.ts'

const badToken: Meaning = { code: 'access-denied', says: 'the session token is not valid', hint: 'Get a new one.' }
const failed: Meaning = { code: 'unavailable', says: 'the store failed' }

/** By OSS's own error code: https://www.alibabacloud.com/help/en/oss/support/error-codes */
const byName: Readonly<Record<string, Meaning>> = {
  ...commonMeanings,
  BadGateway: failed,
  DownloadTrafficRateLimitExceeded: meanings.throttled,
  FileAlreadyExists: { code: 'precondition-failed', says: 'the object exists already' },
  FileImmutable: { code: 'access-denied', says: 'a retention policy protects the object', hint: 'Wait until it ends.' },
  InternalError: failed,
  InvalidCRC: meanings.wrongBytes,
  InvalidEncryptionAlgorithmError: {
    code: 'configuration',
    says: 'the store does not know this encryption',
    hint: 'Check encryption.',
  },
  InvalidObjectName: meanings.refusedKey,
  InvalidSecurityToken: badToken,
  InvalidTag: { code: 'invalid-request', says: 'the store does not take these tags' },
  InvalidTargetType: { code: 'invalid-request', says: 'the object is a symbolic link to another link' },
  KeyTooLong: meanings.refusedKey,
  ObjectNotAppendable: { code: 'conflict', says: 'the object is of another kind' },
  OperationNotSupported: { code: 'not-supported', says: 'the store does not support this call for the object' },
  QpsLimitExceeded: meanings.throttled,
  SecondLevelDomainForbidden: {
    code: 'configuration',
    says: 'the store wants the bucket in the host name',
    hint: 'Set endpoint to a name, such as https://oss-cn-hangzhou.aliyuncs.com, or cname for a custom domain.',
  },
  SecurityTokenExpired: { code: 'access-denied', says: 'the session token has expired', hint: 'Get a new one.' },
  ServiceUnavailable: meanings.throttled,
  SymlinkTargetNotExist: { code: 'not-found', says: 'the symbolic link leads to no object' },
  TotalQpsLimitExceeded: meanings.throttled,
  UploadTrafficRateLimitExceeded: meanings.throttled,
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
export function ossCodeOf(refusal: Pick<Refusal, 'headers' | 'body'>): string | undefined {
  return errorFields(refusal).code
}

/** Makes a StowageError of an answer. The one place where OSS's errors get their meaning. */
export function mapRefusal(refusal: Refusal, where: Where): StowageError {
  const { status, headers, now } = refusal
  const { code, message, endpoint } = errorFields(refusal)
  const found = asksForTls(status, refusal.body) ? wantsTls : meaningOf(code, message, status)
  const isElsewhere = found === meanings.wrongPlace
  const meaning = isElsewhere ? wrongPlace({ endpoint, location: headers['location'] }) : found
  const isNamed = code === undefined || byName[code] === found
  const request = headers['x-oss-request-id']
  const notes = [isNamed ? undefined : code, request === undefined ? undefined : `request ${shown(request)}`]
  return storeError(meaning, where, {
    note: notes.filter((note) => note !== undefined).join(', '),
    // Messages of OSS quote signatures and what was signed: they belong in no log.
    cause: new Error([code ?? 'no code', `status ${status}`, headers['x-oss-ec']].filter(Boolean).map(shown).join(' ')),
    retryAfterMs: retryAfter(headers['retry-after'], now),
  })
}

function meaningOf(code: string | undefined, message: string | undefined, status: number): Meaning {
  if (code === 'InvalidArgument' && /invalid signing/i.test(message ?? '')) return meanings.wrongPlace
  // An endpoint of another region says so by name: "must be addressed using the specified endpoint".
  if (code === 'AccessDenied' && /specified endpoint/i.test(message ?? '')) return meanings.wrongPlace
  // An answer of 412 names the condition that failed as its code in some cases.
  return (code !== undefined && Object.hasOwn(byName, code) ? byName[code] : undefined) ?? answered(status)
}

function answered(status: number): Meaning {
  return statusMeaning(status) ?? { code: 'unavailable', says: `the store answered with status ${status}` }
}

function errorFields({ headers, body }: Pick<Refusal, 'headers' | 'body'>): {
  code?: string | undefined
  message?: string | undefined
  endpoint?: string | undefined
} {
  const document = body === '' ? Buffer.from(headers['x-oss-err'] ?? '', 'base64').toString('utf8') : body
  if (document === '') return {}
  try {
    const root = parseXml(document)
    return { code: childText(root, 'Code'), message: childText(root, 'Message'), endpoint: childText(root, 'Endpoint') }
  } catch {
    return {}
  }
}

/** Makes a StowageError of what a connection failed with. */
export function mapTransport(error: unknown, where: Where): StowageError {
  if (StowageError.isInstance(error)) return error
  const thrown = (error ?? {}) as { code?: unknown; name?: unknown; message?: unknown }
  const code = connectionCode(thrown)
  const known = connectionMeaning(code)
  const meaning = known ?? { code: 'internal', says: `the call failed: ${String(thrown.message).slice(0, 200)}` }
  return storeError(meaning, where, { note: known === undefined ? undefined : code, cause: error })
}

/** What came from outside, fit for one line. */
function shown(text: string | undefined): string {
  return (text ?? '').replace(/[^\x20-\x7e]/g, '?').slice(0, 80)
}
