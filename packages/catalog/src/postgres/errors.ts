import { type ErrorCode, StowageError, toStowageError } from '@stowage/core'

interface PostgresFailure {
  code: ErrorCode
  message: string
  hint?: string
  retryable?: boolean
}

const full: PostgresFailure = {
  code: 'no-space',
  message: 'The catalog cannot grow: its disk is full.',
  hint: 'Free some space on the database server.',
}
const away: PostgresFailure = { code: 'unavailable', message: 'The database of the catalog does not answer.' }
const refused: PostgresFailure = {
  code: 'access-denied',
  message: 'The database refuses to let the catalog in.',
  hint: 'Check the user and the password in catalog.url.',
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const states: Record<string, PostgresFailure> = {
  '23505': { code: 'conflict', message: 'It exists already.' },
  '23503': { code: 'not-found', message: 'What it belongs to does not exist.' },
  '22021': { code: 'invalid-request', message: 'A text has a character that the database cannot hold, such as NUL.' },
  '22P05': { code: 'invalid-request', message: 'A text has a character that the database cannot hold, such as NUL.' },
  '40001': { code: 'unavailable', message: 'Another transaction was in the way.' },
  '40P01': { code: 'unavailable', message: 'Two transactions waited for each other.' },
  '55P03': { code: 'unavailable', message: 'The catalog is locked by another process.' },
  '57014': { code: 'unavailable', message: 'The database gave a statement up because it took too long.' },
  '53100': full,
  '53200': { code: 'unavailable', message: 'The database is out of memory.' },
  '53300': {
    code: 'unavailable',
    message: 'The database has no connection left.',
    hint: 'Lower catalog.maxConnections.',
  },
  '25006': { code: 'access-denied', message: 'The database is read-only, as standbys are.' },
  '42501': {
    code: 'access-denied',
    message: 'The right to use the catalog is missing.',
    hint: 'Grant it to the user.',
  },
  '28000': refused,
  '28P01': refused,
  '3D000': {
    code: 'configuration',
    message: 'The database of the catalog does not exist.',
    hint: 'Make it with createdb, or correct catalog.url.',
  },
  XX001: {
    code: 'integrity',
    message: 'The catalog is damaged.',
    retryable: false,
    hint: 'Restore it from a backup, or rebuild it from the buckets.',
  },
}

/** Classes of states in which the connection or the server is gone for now. */
const awayClass = /^(?:08|57P)/

/** What sockets and resolvers fail with. */
const network = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
])

/** What `pg` throws without a code when a connection ends, cannot be had in time, or is closed. */
const lost =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered)/
const ended = /^(?:Cannot use a pool after calling end|Client was closed)/

/** The SQLSTATE of a database's error, or a socket's code. */
function stateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** True when the transaction was rolled back for the sake of another one, so that the same can be done again at once. */
export function isRolledBack(error: unknown): boolean {
  const state = stateOf(error instanceof StowageError ? error.cause : error)
  return state === '40001' || state === '40P01'
}

/** Makes a StowageError of what `pg` threw. The database's own words stay in the cause, since they may quote values. */
export function postgresError(error: unknown): StowageError {
  if (StowageError.isInstance(error)) return error
  const failure = failureOf(error)
  if (failure === undefined) {
    const state = stateOf(error)
    if (state !== undefined && /^[0-9A-Z]{5}$/.test(state)) {
      return new StowageError('internal', `The catalog failed with SQLSTATE ${state}.`, { cause: error })
    }
    return toStowageError(error)
  }
  return new StowageError(failure.code, failure.message, {
    cause: error,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.retryable === undefined ? {} : { retryable: failure.retryable }),
  })
}

function failureOf(error: unknown): PostgresFailure | undefined {
  const state = stateOf(error)
  if (state !== undefined) {
    if (states[state] !== undefined) return states[state]
    if (awayClass.test(state) || network.has(state)) return away
  }
  const message = error instanceof Error ? error.message : ''
  if (ended.test(message)) return { code: 'invalid-request', message: 'The catalog is closed.' }
  return lost.test(message) ? away : undefined
}
