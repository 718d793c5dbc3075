import type { Meaning } from './meaning.ts'

const wrongPart: Meaning = { code: 'invalid-request', says: 'a part is unknown, out of order or too small' }
const wrongBytes: Meaning = { code: 'integrity', says: 'the store got other bytes than were announced' }
const accessDenied: Meaning = {
  code: 'access-denied',
  says: 'access denied',
  hint: 'Check accessKey and secretKey, and that they have the right for this call.',
}
const noSuchKey: Meaning = { code: 'not-found', says: 'there is no such object' }
const preconditionFailed: Meaning = { code: 'precondition-failed', says: 'the condition did not hold' }
const invalidRange: Meaning = { code: 'invalid-request', says: 'the range begins beyond the end' }
const notImplemented: Meaning = { code: 'not-supported', says: 'the store does not know this call' }

/** Meanings that several of a store's own codes have. */
export const meanings: Readonly<
  Record<'badKey' | 'busy' | 'full' | 'refusedKey' | 'throttled' | 'wrongBytes' | 'wrongPlace', Meaning>
> = {
  badKey: {
    code: 'access-denied',
    says: 'the store does not know the access key',
    hint: 'Check accessKey (and sessionToken).',
  },
  busy: { code: 'conflict', says: 'another call on the same thing was under way', retryable: true },
  full: { code: 'no-space', says: 'the store has no space left' },
  refusedKey: { code: 'invalid-key', says: 'the store refuses the key' },
  throttled: { code: 'throttled', says: 'the store asks for fewer requests' },
  wrongBytes,
  wrongPlace: {
    code: 'configuration',
    says: 'the bucket is in another region or at another endpoint',
    hint: 'Set region and endpoint to those of the bucket.',
  },
}

/** The error codes that S3 and the stores after its model have in common. Each adapter adds its own. */
export const commonMeanings: Readonly<Record<string, Meaning>> = {
  AccessDenied: accessDenied,
  EntityTooLarge: { code: 'invalid-request', says: 'more bytes than the store takes' },
  EntityTooSmall: wrongPart,
  IncompleteBody: wrongBytes,
  InvalidAccessKeyId: meanings.badKey,
  InvalidDigest: wrongBytes,
  InvalidObjectState: { code: 'archived', says: 'the object is archived', hint: 'Restore it first.' },
  InvalidPart: wrongPart,
  InvalidPartOrder: wrongPart,
  InvalidRange: invalidRange,
  MethodNotAllowed: { code: 'not-supported', says: 'the store does not allow this call' },
  NoSuchBucket: { code: 'bucket-not-found', says: 'the bucket does not exist', hint: 'Create it, or check its name.' },
  NoSuchKey: noSuchKey,
  NoSuchUpload: { code: 'not-found', says: 'there is no such unfinished upload', hint: 'Start a new one.' },
  NoSuchVersion: { code: 'not-found', says: 'there is no such version' },
  NotImplemented: notImplemented,
  PreconditionFailed: preconditionFailed,
  RestoreAlreadyInProgress: { code: 'conflict', says: 'the object is being restored already' },
  RequestTimeTooSkewed: {
    code: 'access-denied',
    says: "the store's clock and ours differ too much",
    hint: "Set this machine's clock.",
  },
  RequestTimeout: { code: 'timeout', says: 'the store waited too long for our bytes' },
  SignatureDoesNotMatch: {
    code: 'access-denied',
    says: 'the signature is wrong',
    hint: 'Check secretKey, region and endpoint.',
  },
}

/** What an answer means that names no error: the answer to HEAD has no body, and a proxy's is its own. */
export function statusMeaning(status: number): Meaning | undefined {
  if (status >= 300 && status < 400) return meanings.wrongPlace
  if (status === 401 || status === 403) return accessDenied
  if (status === 404) return noSuchKey
  if (status === 409) return meanings.busy
  if (status === 412) return preconditionFailed
  if (status === 416) return invalidRange
  if (status === 429) return meanings.throttled
  if (status === 501) return notImplemented
  if (status === 507) return meanings.full
  if (status >= 500) return { code: 'unavailable', says: `the store failed with status ${status}` }
  if (status >= 400) return { code: 'invalid-request', says: `the store refused the request with status ${status}` }
  return undefined
}
