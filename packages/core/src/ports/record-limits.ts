import { StowageError } from '../errors/index.ts'

/** Longest key of a {@link SyncStore} record, in bytes (its characters are all ASCII). */
export const MAX_RECORD_KEY: number = 512

/** Largest value of a {@link SyncStore} record, in bytes: 512 KiB. */
export const MAX_RECORD_VALUE: number = 512 * 1024

const keyPattern = /^[a-z0-9._/-]{1,512}$/

/**
 * Refuses a record key that some store could not hold. Every {@link SyncStore} calls this first.
 * @throws StowageError `invalid-key` unless the key is 1 to 512 of `a-z 0-9 . _ - /`
 */
export function checkRecordKey(key: string): void {
  if (keyPattern.test(key)) return
  const shown = JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key)
  throw new StowageError('invalid-key', `A record key must be 1 to ${MAX_RECORD_KEY} of a-z 0-9 . _ - /, not ${shown}.`)
}

/**
 * Refuses a record value that some store could not hold.
 * @throws StowageError `invalid-request` when it is larger than 512 KiB
 */
export function checkRecordValue(key: string, value: Uint8Array): void {
  if (value.length <= MAX_RECORD_VALUE) return
  throw new StowageError('invalid-request', `A record holds ${MAX_RECORD_VALUE} bytes; "${key}" has ${value.length}.`, {
    hint: 'Split the value over several records.',
  })
}
