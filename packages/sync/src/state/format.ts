import { StowageError } from '@stowage/core'

/** The version of every record that sync writes. A record of a higher one is left alone. */
export const FORMAT = 1

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeJson(value: object): Uint8Array {
  return encoder.encode(JSON.stringify({ format: FORMAT, ...value }))
}

/**
 * Reads a record that {@link encodeJson} wrote.
 * @throws StowageError `newer-format` when a newer version wrote it, `integrity` when it cannot be read
 */
export function decodeJson<T>(key: string, bytes: Uint8Array): T {
  let value: { format?: unknown }
  try {
    value = JSON.parse(decoder.decode(bytes)) as { format?: unknown }
  } catch (error) {
    throw new StowageError('integrity', `The record "${key}" cannot be read.`, { cause: error, key, retryable: false })
  }
  checkFormat(key, value.format)
  return value as T
}

export function checkFormat(key: string, format: unknown): void {
  if (typeof format === 'number' && format > FORMAT) {
    throw new StowageError('newer-format', `The record "${key}" has format ${format}; this version knows ${FORMAT}.`, {
      key,
      hint: 'Use the newer version of Stowage that wrote it; nothing was touched.',
    })
  }
  if (format !== FORMAT) {
    throw new StowageError('integrity', `The record "${key}" has no known format.`, { key, retryable: false })
  }
}
