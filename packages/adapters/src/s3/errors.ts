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

const wrongEncryption: Meaning = {
  code: 'configuration',
  says: "the store's key service did not serve",
  hint: 'Check encryption: that the key exists and is enabled, and that these credentials may use it.',
}

/** Reading one by its version id is answered with 405: https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html */
const deleteMarker: Meaning = { code: 'not-found', says: 'the version is a mark that the object was deleted' }

/** AWS writes `KMS.DisabledException`, MinIO `kms:KeyNotFound` and `KMSNotConfigured`. */
const kmsErrors = /^kms([.:]|NotConfigured)/i

/** The name of the error for an answer that is not what the protocol says. */
const malformedAnswer = 'MalformedAnswer'

/** The name of the error for an answer that asks for TLS. */
export const wantsTlsAnswer = 'WantsTls'

/** An answer that is not what the protocol says. */
export function malformed(what: string): Error {
  return Object.assign(new Error(what), { name: malformedAnswer })
}

/** By the store's own error code: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and MinIO's `cmd/api-errors.go`. */
const byName: Readonly<Record<string, Meaning>> = {
  ...commonMeanings,
  AuthorizationHeaderMalformed: meanings.wrongPlace,
  BadDigest: meanings.wrongBytes,
  // MinIO's, with the status 499: the proxy of a store closes a connection that way too.
  ClientDisconnected: { code: 'unavailable', says: 'the connection ended before the store had all bytes' },
  ConditionalRequestConflict: { code: 'conflict', says: 'another write of the key was under way', retryable: true },
  ExpiredToken: { code: 'access-denied', says: 'the temporary credentials have expired', hint: 'Get new ones.' },
  GlacierExpeditedRetrievalNotAvailable: {
    code: 'unavailable',
    says: 'there is no room for expedited restores now',
    hint: "Use the tier 'standard'.",
  },
  InvalidStorageClass: { code: 'invalid-request', says: 'the store has no such storage class' },
  InvalidTag: { code: 'invalid-request', says: 'the store does not take these tags' },
  InvalidTokenId: meanings.badKey,
  InvalidToken: meanings.badKey,
  KeyTooLongError: { code: 'invalid-key', says: 'the key is too long' },
  [wantsTlsAnswer]: wantsTls,
  [malformedAnswer]: { code: 'unavailable', says: 'the answer could not be understood' },
  OperationAborted: meanings.busy,
  PermanentRedirect: meanings.wrongPlace,
  QuotaExceeded: meanings.full,
  SlowDown: meanings.throttled,
  Throttling: meanings.throttled,
  ThrottlingException: meanings.throttled,
  TooManyRequests: meanings.throttled,
  XAmzContentChecksumMismatch: meanings.wrongBytes,
  XAmzContentSHA256Mismatch: meanings.wrongBytes,
  XMinioAdminBucketQuotaExceeded: meanings.full,
  XMinioInvalidObjectName: meanings.refusedKey,
  XMinioInvalidResourceName: meanings.refusedKey,
  XMinioObjectExistsAsDirectory: { code: 'conflict', says: 'the key is a folder of other objects' },
  XMinioParentIsObject: { code: 'conflict', says: 'a folder of the key is an object' },
  XMinioStorageFull: meanings.full,
}

/** What the AWS SDK and Node throw, as far as it is looked at. */
export interface Thrown {
  name?: string
  message?: string
  code?: string
  $metadata?: { httpStatusCode?: number; requestId?: string }
  $response?: { headers?: Record<string, string> }
  /** What an answer of a body that is no XML was. */
  $responseBodyText?: string
  /** Where the bucket is. */
  Region?: string
  Endpoint?: string
}

/** Makes a StowageError of what a call failed with. The one place where the vendor's errors get their meaning. */
export function mapS3Error(error: unknown, where: Where, now: number): StowageError {
  if (StowageError.isInstance(error)) return error
  const thrown = (error ?? {}) as Thrown
  const status = thrown.$metadata?.httpStatusCode
  const meaning = meaningOf(thrown, status)
  const isNamed = thrown.name === undefined || meaning === byName[thrown.name]
  const headers = thrown.$response?.headers
  const isElsewhere = meaning === meanings.wrongPlace
  const place = { region: thrown.Region ?? headers?.['x-amz-bucket-region'], endpoint: thrown.Endpoint }
  const told = isElsewhere ? wrongPlace({ ...place, location: headers?.['location'] }) : meaning
  return storeError(told, where, {
    note: isNamed ? undefined : (thrown.code ?? thrown.name),
    cause: harmless(thrown, status),
    retryAfterMs: retryAfter(headers?.['retry-after'], now),
  })
}

function meaningOf(thrown: Thrown, status: number | undefined): Meaning {
  if (status === 405 && thrown.$response?.headers?.['x-amz-delete-marker'] === 'true') return deleteMarker
  const named = thrown.name !== undefined && Object.hasOwn(byName, thrown.name) ? byName[thrown.name] : undefined
  if (named !== undefined) return named
  if (asksForTls(status, thrown.$responseBodyText ?? '')) return wantsTls
  if (kmsErrors.test(thrown.name ?? '')) return wrongEncryption
  const answered = status === undefined ? undefined : statusMeaning(status)
  if (answered !== undefined) return answered
  const code = connectionCode(thrown)
  // The SDK calls a reset connection a TimeoutError too.
  if (thrown.name === 'TimeoutError' && code === '') return { code: 'timeout', says: 'no answer in time' }
  if (thrown.name === 'CredentialsProviderError') {
    return { code: 'access-denied', says: 'no credentials were found', hint: 'Set accessKey and secretKey.' }
  }
  const connection = connectionMeaning(code)
  if (connection !== undefined) return connection
  if (status !== undefined) return { code: 'unavailable', says: 'the answer could not be understood' }
  return { code: 'internal', says: thrown.message ?? 'the call failed' }
}

/** What may be seen of the vendor's error: it may carry signatures and tokens that belong in no log. */
function harmless(thrown: Thrown, status: number | undefined): Error {
  const parts = [thrown.name, thrown.code, status, thrown.$metadata?.requestId].filter((part) => part !== undefined)
  return new Error(`${parts.join(' ')}: ${(thrown.message ?? '').slice(0, 300)}`)
}
