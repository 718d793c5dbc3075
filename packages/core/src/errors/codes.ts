/**
 * The stable error codes. Programs branch on them; they are never renamed.
 *
 * Stores: `not-found`, `bucket-not-found`, `precondition-failed` (a conditional request did not hold), `access-denied`, `throttled`, `unavailable` (transport
 * failed or the store answered 5xx), `timeout`, `integrity` (bytes or lengths are not what they should be), `invalid-request`,
 * `invalid-key` (the store cannot hold this key), `conflict` (somebody else changed it first), `not-supported`, `archived`, `no-space`, `aborted`.
 *
 * Stowage: `configuration` (a configuration or option is wrong), `unsafe` (stopped for safety, nothing was deleted), `lease-held` (another
 * live run owns this work), `lease-lost` (ours was taken over), `newer-format` (written by a newer version), `no-source` (routing found no
 * candidate), `source-changed` (the object changed while it was read), `internal` (a bug).
 */
export const errorCodes = [
  'not-found',
  'bucket-not-found',
  'precondition-failed',
  'access-denied',
  'throttled',
  'unavailable',
  'timeout',
  'integrity',
  'invalid-request',
  'invalid-key',
  'conflict',
  'not-supported',
  'archived',
  'no-space',
  'aborted',
  'configuration',
  'unsafe',
  'lease-held',
  'lease-lost',
  'newer-format',
  'no-source',
  'source-changed',
  'internal',
] as const

/** One of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number]

/** Codes whose errors may go away when the same call is made again. */
export const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'throttled',
  'unavailable',
  'timeout',
  'integrity',
  'source-changed',
])
