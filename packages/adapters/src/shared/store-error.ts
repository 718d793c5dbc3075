import { StowageError } from '@stowage/core'
import type { Meaning } from './meaning.ts'
import { tlsMeaning } from './tls-meaning.ts'

/** Where an error happened, for its message. */
export interface Where {
  id: string
  bucket: string
  /** Host and port, as they are shown. */
  endpoint: string
  key?: string | undefined
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

/** The code of what Node threw. */
export function connectionCode({ code }: { code?: unknown }): string {
  return typeof code === 'string' ? code : ''
}

/** What a connection failed with, by {@link connectionCode}; `undefined` when it is none of a connection. */
export function connectionMeaning(code: string): Meaning | undefined {
  const tls = tlsMeaning(code)
  if (tls !== undefined) return tls
  if (code === 'ETIMEDOUT') return { code: 'timeout', says: 'no answer in time' }
  if (code === 'ENOTFOUND') {
    return { code: 'unavailable', says: 'the host name is not known', hint: 'Check endpoint, region and bucket.' }
  }
  if (code === 'ECONNREFUSED') {
    return { code: 'unavailable', says: 'nothing answers there', hint: 'Is it the right endpoint, and does it run?' }
  }
  if (code.startsWith('HPE_')) {
    return {
      code: 'unavailable',
      says: 'the answer is not HTTP',
      hint: 'If the store speaks TLS there, write the endpoint as https://.',
    }
  }
  if (/^E(?!RR_INVALID_CHAR)/.test(code)) return { code: 'unavailable', says: 'the connection failed' }
  return undefined
}
