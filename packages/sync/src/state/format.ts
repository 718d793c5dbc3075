import { StowageError } from '@stowage/core'

/** The version of every record that sync writes, but for those of partitions. A record of a higher one is left alone. */
export const FORMAT = 1

/** The version of a pair record while its key space is partitioned, and of the records of the partitions. */
export const PARTITIONED_FORMAT = 2

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeJson(value: object, format: number = FORMAT): Uint8Array {
  return encoder.encode(JSON.stringify({ format, ...value }))
}

/**
 * Reads a record that {@link encodeJson} wrote.
 * @param newest the highest version that is known of such records
 * @throws StowageError `newer-format` when a newer version wrote it, `integrity` when it cannot be read
 */
export function decodeJson<T>(key: string, bytes: Uint8Array, newest: number = FORMAT): T {
  let value: { format?: unknown }
  try {
    value = JSON.parse(decoder.decode(bytes)) as { format?: unknown }
  } catch (error) {
    throw new StowageError('integrity', `The record "${key}" cannot be read.`, { cause: error, key, retryable: false })
  }
  checkFormat(key, value.format, newest)
  return value as T
}

export function checkFormat(key: string, format: unknown, newest: number = FORMAT): void {
  if (typeof format === 'number' && format > newest) {
    throw new StowageError('newer-format', `The record "${key}" has format ${format}; this version knows ${newest}.`, {
      key,
      hint: 'Use the newer version of Stowage that wrote it; nothing was touched.',
    })
  }
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 1) {
    throw new StowageError('integrity', `The record "${key}" has no known format.`, { key, retryable: false })
  }
}
