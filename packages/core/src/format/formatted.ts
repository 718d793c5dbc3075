import { StowageError, type StowageErrorOptions } from '../errors/index.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** What an error says besides, of that which could not be read. */
export type UnreadableDetails = Pick<StowageErrorOptions, 'key' | 'retryable'>

/**
 * Parses a JSON object that carries a `format`.
 * @param newest the highest format that is known of such objects
 * @param what it is, for messages
 * @throws StowageError `newer-format` when it was written by a newer version, `integrity` when it is not what it should be
 */
export function parseFormatted<T extends { format: number }>(
  bytes: Uint8Array,
  newest: number,
  what: string,
  details: UnreadableDetails = {},
): T {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new StowageError('integrity', `${what} is not valid JSON.`, { ...details, cause })
  }
  const format = typeof value === 'object' && value !== null ? (value as { format?: unknown }).format : undefined
  checkFormat(format, newest, what, details)
  return value as T
}

/**
 * Refuses a format that is not known.
 * @throws StowageError `newer-format` when it is a newer one, `integrity` when it is none
 */
export function checkFormat(format: unknown, newest: number, what: string, details: UnreadableDetails = {}): void {
  if (typeof format !== 'number' || !(format >= 1)) {
    throw new StowageError('integrity', `${what} has no known format.`, details)
  }
  if (format <= newest && Number.isInteger(format)) return
  const { key } = details
  throw new StowageError('newer-format', `${what} has format ${format}; this version knows ${newest}.`, {
    ...(key === undefined ? {} : { key }),
    hint: 'Upgrade Stowage on this machine; nothing was touched.',
  })
}
