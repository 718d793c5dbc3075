import { checkFormat, parseFormatted } from './formatted.ts'

/** The format of every record that is written today, but for those that say otherwise. One of a higher format is left alone. */
export const RECORD_FORMAT = 1

const encoder = new TextEncoder()

/** A record of a `SyncStore` as it is stored: its format, and what it says, as JSON. */
export function encodeRecord(value: object, format: number = RECORD_FORMAT): Uint8Array {
  return encoder.encode(JSON.stringify({ format, ...value }))
}

/**
 * Reads a record that {@link encodeRecord} wrote.
 * @param newest the highest format that is known of such records
 * @throws StowageError `newer-format` when a newer version wrote it, `integrity` when it cannot be read
 */
export function decodeRecord<T>(key: string, bytes: Uint8Array, newest: number = RECORD_FORMAT): T {
  return parseFormatted(bytes, newest, nameOf(key), { key, retryable: false }) as T
}

/** Refuses a record, of whatever shape, by its format. @throws StowageError as {@link decodeRecord} */
export function checkRecordFormat(key: string, format: unknown, newest: number = RECORD_FORMAT): void {
  checkFormat(format, newest, nameOf(key), { key, retryable: false })
}

function nameOf(key: string): string {
  return `The record "${key}"`
}
