import { type ObjectAttributes, type ObjectHeaders, StowageError } from '@stowage/core'
import { type Called, headersOf } from './calls.ts'

/** Values that a header can carry as they are: printable ASCII without blanks at the ends or in a row (signing folds those). */
const plain = /^[!-~]+( [!-~]+)*$/
const encodedWord = /^=\?utf-8\?([bq])\?(.*)\?=$/i
const printable = /^[ -~]*$/

/**
 * A metadata value as a header can carry it. What is not plain goes as an encoded word of RFC 2047, as AWS S3 itself writes such
 * values; also a value that only looks like one, so that every text comes back as it was.
 */
export function encodeMetadataValue(value: string): string {
  if (plain.test(value) && !encodedWord.test(value)) return value
  return `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`
}

/** The text of a metadata value, encoded words of RFC 2047 (both kinds) included. */
export function decodeMetadataValue(value: string): string {
  const match = encodedWord.exec(value)
  const text = match?.[2]
  if (match === null || text === undefined) return value
  if (match[1]?.toLowerCase() === 'b') return Buffer.from(text, 'base64').toString('utf8')
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/**
 * The headers and metadata of a call's options for stores that keep them as HTTP headers.
 * @throws StowageError `invalid-request` for a header that is not ASCII
 */
export function httpHeadersOf(adapter: Called, options: ObjectAttributes | undefined): ObjectHeaders {
  const headers = headersOf(adapter, options)
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string' || printable.test(value)) continue
    throw new StowageError('invalid-request', `${adapter.id}: ${name} has characters that a header cannot carry.`, {
      sourceId: adapter.id,
      field: name,
    })
  }
  return headers
}

/**
 * Refuses more metadata than a store takes. Names count with the prefix of their headers, as MinIO and OSS count them; AWS leaves it out.
 * @param entries names and values as they are sent
 * @throws StowageError `invalid-request`
 */
export function assertMetadataSize(
  adapter: Called,
  entries: readonly (readonly [string, string])[],
  prefix: string,
  most: number,
): void {
  const bytes = entries.reduce((sum, [name, value]) => sum + prefix.length + name.length + value.length, 0)
  if (bytes <= most) return
  throw new StowageError('invalid-request', `${adapter.id}: metadata takes ${bytes} bytes; the store takes ${most}.`, {
    sourceId: adapter.id,
    field: 'metadata',
    hint: 'Names and values count, and what is not plain ASCII takes more. Keep what does not fit in an object of its own.',
  })
}

/** RFC 6266: a download under a name, which is written as RFC 8187 writes any Unicode. */
export function attachment(name: string): string {
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename*=UTF-8''${encoded}`
}
