import { type ErrorCode, StowageError } from '@stowage/core'

/** Where an error happened, for its message. */
export interface Where {
  id: string
  bucket: string
  /** Host and port, as they are shown. */
  endpoint: string
  key?: string | undefined
}

interface Meaning {
  code: ErrorCode
  says: string
  hint?: string
  retryable?: boolean
}

const skewed: Meaning = {
  code: 'access-denied',
  says: "the store's clock and ours differ too much",
  hint: "Set this machine's clock.",
}
const badKey: Meaning = {
  code: 'access-denied',
  says: 'the store does not know the access key',
  hint: 'Check accessKey (and sessionToken).',
}
const tooLarge: Meaning = { code: 'invalid-request', says: 'more bytes than the store takes' }
const wrongBytes: Meaning = { code: 'integrity', says: 'the store got other bytes than were announced' }
const full: Meaning = { code: 'no-space', says: 'the store has no space left' }
const throttled: Meaning = { code: 'throttled', says: 'the store asks for fewer requests' }
const wrongPart: Meaning = { code: 'invalid-request', says: 'a part is unknown, out of order or too small' }
const wrongPlace: Meaning = {
  code: 'configuration',
  says: 'the bucket is in another region or at another endpoint',
  hint: 'Set region and endpoint to those of the bucket.',
}

const wrongEncryption: Meaning = {
  code: 'configuration',
  says: "the store's key service did not serve",
  hint: 'Check encryption: that the key exists and is enabled, and that these credentials may use it.',
}

/** AWS writes `KMS.DisabledException`, MinIO `kms:KeyNotFound` and `KMSNotConfigured`. */
const kmsErrors = /^kms([.:]|NotConfigured)/i

/** The name of the error for an answer that is not what the protocol says. */
const malformedAnswer = 'MalformedAnswer'

/** An answer that is not what the protocol says. */
export function malformed(what: string): Error {
  return Object.assign(new Error(what), { name: malformedAnswer })
}

/** By the store's own error code: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and MinIO's `cmd/api-errors.go`. */
const byName: Readonly<Record<string, Meaning>> = {
  AccessDenied: {
    code: 'access-denied',
    says: 'access denied',
    hint: 'Check accessKey and secretKey, and that they have the right for this call.',
  },
  AuthorizationHeaderMalformed: wrongPlace,
  BadDigest: wrongBytes,
  ConditionalRequestConflict: { code: 'conflict', says: 'another write of the key was under way', retryable: true },
  EntityTooLarge: tooLarge,
  EntityTooSmall: wrongPart,
  ExpiredToken: { code: 'access-denied', says: 'the temporary credentials have expired', hint: 'Get new ones.' },
  IncompleteBody: wrongBytes,
  InvalidAccessKeyId: badKey,
  InvalidDigest: wrongBytes,
  InvalidObjectState: { code: 'archived', says: 'the object is archived', hint: 'Restore it first.' },
  InvalidPart: wrongPart,
  InvalidPartOrder: wrongPart,
  InvalidRange: { code: 'invalid-request', says: 'the range begins beyond the end' },
  InvalidStorageClass: { code: 'invalid-request', says: 'the store has no such storage class' },
  InvalidTag: { code: 'invalid-request', says: 'the store does not take these tags' },
  InvalidTokenId: badKey,
  InvalidToken: badKey,
  KeyTooLongError: { code: 'invalid-key', says: 'the key is too long' },
  [malformedAnswer]: { code: 'unavailable', says: 'the answer could not be understood' },
  MethodNotAllowed: { code: 'not-supported', says: 'the store does not allow this call' },
  NoSuchBucket: { code: 'bucket-not-found', says: 'the bucket does not exist', hint: 'Create it, or check its name.' },
  NoSuchKey: { code: 'not-found', says: 'there is no such object' },
  NoSuchUpload: { code: 'not-found', says: 'there is no such unfinished upload', hint: 'Start a new one.' },
  NoSuchVersion: { code: 'not-found', says: 'there is no such version' },
  NotImplemented: { code: 'not-supported', says: 'the store does not know this call' },
  OperationAborted: { code: 'conflict', says: 'another call on the same thing was under way', retryable: true },
  PermanentRedirect: wrongPlace,
  PreconditionFailed: { code: 'precondition-failed', says: 'the condition did not hold' },
  QuotaExceeded: full,
  RestoreAlreadyInProgress: { code: 'conflict', says: 'the object is being restored already' },
  RequestTimeTooSkewed: skewed,
  RequestTimeout: { code: 'timeout', says: 'the store waited too long for our bytes' },
  SignatureDoesNotMatch: {
    code: 'access-denied',
    says: 'the signature is wrong',
    hint: 'Check secretKey, region and endpoint.',
  },
  GlacierExpeditedRetrievalNotAvailable: {
    code: 'unavailable',
    says: 'there is no room for expedited restores now',
    hint: "Use the tier 'standard'.",
  },
  SlowDown: throttled,
  Throttling: throttled,
  ThrottlingException: throttled,
  TooManyRequests: throttled,
  XAmzContentChecksumMismatch: wrongBytes,
  XAmzContentSHA256Mismatch: wrongBytes,
  XMinioAdminBucketQuotaExceeded: full,
  XMinioInvalidObjectName: { code: 'invalid-key', says: 'the store refuses the key' },
  XMinioInvalidResourceName: { code: 'invalid-key', says: 'the store refuses the key' },
  XMinioObjectExistsAsDirectory: { code: 'conflict', says: 'the key is a folder of other objects' },
  XMinioParentIsObject: { code: 'conflict', says: 'a folder of the key is an object' },
  XMinioStorageFull: full,
}

/** By HTTP status, where the answer has no body (HEAD) or a code of its own. */
function byStatus(status: number): Meaning | undefined {
  if (status === 301 || status === 307) return wrongPlace
  if (status === 403 || status === 401) return byName['AccessDenied']
  if (status === 404) return byName['NoSuchKey']
  if (status === 409) return byName['OperationAborted']
  if (status === 412) return byName['PreconditionFailed']
  if (status === 416) return byName['InvalidRange']
  if (status === 429) return throttled
  if (status === 501) return byName['NotImplemented']
  if (status === 507) return full
  if (status >= 500) return { code: 'unavailable', says: `the store failed with status ${status}` }
  if (status >= 400) return { code: 'invalid-request', says: `the store refused the request with status ${status}` }
  return undefined
}

const tlsCodes =
  /^(ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(VERIFY|GET)|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/

/** What the AWS SDK, undici and Node throw, as far as it is looked at. */
export interface Thrown {
  name?: string
  message?: string
  code?: string
  $metadata?: { httpStatusCode?: number; requestId?: string }
  $response?: { headers?: Record<string, string> }
}

/** Makes a StowageError of what a call failed with. The one place where the vendor's errors get their meaning. */
export function mapS3Error(error: unknown, where: Where, now: number): StowageError {
  if (StowageError.isInstance(error)) return error
  const thrown = (error ?? {}) as Thrown
  const status = thrown.$metadata?.httpStatusCode
  const meaning = meaningOf(thrown, status)
  const subject = where.key === undefined ? `bucket ${where.bucket}` : JSON.stringify(where.key)
  const detail = thrown.name === undefined || meaning === byName[thrown.name] ? '' : ` (${thrown.code ?? thrown.name})`
  const retryAfterMs = retryAfter(thrown.$response?.headers?.['retry-after'], now)
  return new StowageError(meaning.code, `${where.id}: ${subject} at ${where.endpoint}: ${meaning.says}${detail}.`, {
    cause: harmless(thrown, status),
    sourceId: where.id,
    ...(where.key === undefined ? {} : { key: where.key }),
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
    ...(meaning.retryable === undefined ? {} : { retryable: meaning.retryable }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function meaningOf(thrown: Thrown, status: number | undefined): Meaning {
  const named = thrown.name !== undefined && Object.hasOwn(byName, thrown.name) ? byName[thrown.name] : undefined
  if (named !== undefined) return named
  if (kmsErrors.test(thrown.name ?? '')) return wrongEncryption
  if (status !== undefined && status >= 300) {
    const known = byStatus(status)
    if (known !== undefined) return known
  }
  const code = thrown.code ?? ''
  if (tlsCodes.test(code)) {
    return {
      code: 'unavailable',
      says: 'the TLS connection failed',
      hint: "Check the store's certificate; give its authority as tls.ca.",
      retryable: false,
    }
  }
  // The SDK calls a reset connection a TimeoutError too.
  if (code === 'ETIMEDOUT' || code === 'UND_ERR_CONNECT_TIMEOUT' || (thrown.name === 'TimeoutError' && code === '')) {
    return { code: 'timeout', says: 'no answer in time' }
  }
  if (thrown.name === 'CredentialsProviderError') {
    return { code: 'access-denied', says: 'no credentials were found', hint: 'Set accessKey and secretKey.' }
  }
  if (code === 'ENOTFOUND')
    return { code: 'unavailable', says: 'the host name is not known', hint: 'Check endpoint and region.' }
  if (code === 'ECONNREFUSED')
    return { code: 'unavailable', says: 'nothing answers there', hint: 'Is the store running?' }
  if (/^(E|HPE_|UND_ERR_(?!INVALID_ARG))/.test(code)) return { code: 'unavailable', says: 'the connection failed' }
  if (status !== undefined) return { code: 'unavailable', says: 'the answer could not be understood' }
  return { code: 'internal', says: thrown.message ?? 'the call failed' }
}

/** Milliseconds that a `Retry-After` header asks for: seconds or a date. */
function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** What may be seen of the vendor's error: it may carry signatures and tokens that belong in no log. */
function harmless(thrown: Thrown, status: number | undefined): Error {
  const parts = [thrown.name, thrown.code, status, thrown.$metadata?.requestId].filter((part) => part !== undefined)
  return new Error(`${parts.join(' ')}: ${(thrown.message ?? '').slice(0, 300)}`)
}
