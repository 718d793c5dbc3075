import { STATUS_CODES } from 'node:http'
import { type ErrorCode, StowageError } from '@stowage/core'

/** An error as it goes over the wire: the problem details of RFC 9457, with the stable code that errors have everywhere. */
export interface Problem {
  /** Nothing but what the status says: programs branch on `code`. */
  type: 'about:blank'
  title: string
  status: number
  /** One line for people. */
  detail: string
  code: ErrorCode
  hint?: string
  field?: string
  key?: string
  sourceId?: string
}

const statuses: Partial<Record<ErrorCode, number>> = {
  'not-found': 404,
  'bucket-not-found': 404,
  'invalid-request': 400,
  'invalid-key': 400,
  'access-denied': 403,
  'precondition-failed': 412,
  throttled: 429,
  unavailable: 503,
  'no-source': 503,
  aborted: 503,
  timeout: 504,
  conflict: 409,
  unsafe: 409,
  'lease-held': 409,
  'lease-lost': 409,
  archived: 409,
  'source-changed': 409,
  'not-supported': 501,
  'no-space': 507,
}

/** What a problem tells beside the error. */
export interface ProblemExtras {
  /** @defaultValue what the code stands for */
  status?: number
  headers?: Record<string, string>
  /** More members of the document. */
  members?: Record<string, unknown>
}

/** The answer to a request that failed with this error, of which the secrets are taken out already. */
export function problemOf(error: StowageError, extras: ProblemExtras = {}): Response {
  const { code, message, ...about } = error.toJSON()
  const status = extras.status ?? statuses[code] ?? 500
  const problem: Problem = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: message,
    code,
    ...about,
  }
  const wait = error.retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfterMs / 1000)) }
  return new Response(`${JSON.stringify({ ...problem, ...extras.members })}\n`, {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...wait, ...extras.headers },
  })
}

/** An error that is nobody's business but ours is told without its words. */
export function forStrangers(error: StowageError): StowageError {
  if (error.code !== 'internal') return error
  return new StowageError('internal', 'Something went wrong here.', { hint: 'The log of this process says what.' })
}
