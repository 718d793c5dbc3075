import type { ErrorCode, StowageError } from '@stowage/core'

const statuses: Partial<Record<ErrorCode, number>> = {
  'access-denied': 403,
  'not-found': 404,
  'bucket-not-found': 503,
  'precondition-failed': 412,
  conflict: 409,
  'invalid-request': 400,
  'invalid-key': 400,
  integrity: 400,
  'not-supported': 501,
  throttled: 429,
  unavailable: 503,
  timeout: 504,
  'no-space': 507,
  'source-changed': 409,
}

/** The messages that are ours to tell: those of others may name paths of this machine. */
const told: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['access-denied', 'invalid-request'])

/** The answer to a request that cannot be served. @param status in place of what the code stands for */
export function refusal(error: StowageError, method: string, status: number = statuses[error.code] ?? 500): Response {
  const body = { code: error.code, ...(told.has(error.code) ? { message: error.message } : {}) }
  return new Response(method === 'HEAD' ? null : JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}
