import { type ErrorCode, StowageError } from '@stowage/core'

/** Where an error happened, for its message. */
export interface Where {
  id: string
  bucket: string
  /** Host and port, as they are shown. */
  endpoint: string
  key?: string | undefined
}

/** What an error of a store means to a caller. */
export interface Meaning {
  code: ErrorCode
  says: string
  hint?: string
  retryable?: boolean
}

/** What may be told besides the meaning. */
export interface Told {
  /** Stands behind the meaning, in brackets. */
  note?: string | undefined
  cause: unknown
  retryAfterMs?: number | undefined
}

/** The error of a store's call. */
export function storeError(meaning: Meaning, where: Where, told: Told): StowageError {
  const subject = where.key === undefined ? `bucket ${where.bucket}` : JSON.stringify(where.key)
  const note = told.note ? ` (${told.note})` : ''
  return new StowageError(meaning.code, `${where.id}: ${subject} at ${where.endpoint}: ${meaning.says}${note}.`, {
    cause: told.cause,
    sourceId: where.id,
    ...(where.key === undefined ? {} : { key: where.key }),
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
    ...(meaning.retryable === undefined ? {} : { retryable: meaning.retryable }),
    ...(told.retryAfterMs === undefined ? {} : { retryAfterMs: told.retryAfterMs }),
  })
}

/** Milliseconds that a `Retry-After` header asks for: seconds or a date. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

const tlsCodes =
  /^(ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(VERIFY|GET)|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/

/** What a connection failed with, by the code that Node or undici gives; `undefined` when it is none of a connection. */
export function connectionMeaning(code: string): Meaning | undefined {
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
  if (code === 'ECONNREFUSED') {
    return { code: 'unavailable', says: 'nothing answers there', hint: 'Is it the right endpoint, and does it run?' }
  }
  if (/^(E|HPE_|UND_ERR_(?!INVALID_ARG))/.test(code)) return { code: 'unavailable', says: 'the connection failed' }
  return undefined
}
