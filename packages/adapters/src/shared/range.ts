import { type GetOptions, StowageError } from '@stowage/core'
import type { Called } from './calls.ts'

/**
 * The part of an object that a call asks for: shortened where it goes beyond the end.
 * @throws StowageError `invalid-request` for a range that begins at or beyond the end
 */
export function resolveRange(
  adapter: Called,
  key: string,
  range: GetOptions['range'],
  size: number,
): { start: number; length: number } {
  if (range === undefined) return { start: 0, length: size }
  assertRange(adapter, key, range)
  if (range.start >= size) throw rangeBeyondEnd(adapter, key, range.start)
  return { start: range.start, length: Math.min(range.length ?? size, size - range.start) }
}

/** Refuses ranges that are none. @throws StowageError `invalid-request` */
export function assertRange(adapter: Called, key: string, range: { start: number; length?: number }): void {
  const { start, length } = range
  const wrong =
    !Number.isSafeInteger(start) || start < 0 || (length !== undefined && (!Number.isSafeInteger(length) || length < 1))
  if (!wrong) return
  throw new StowageError(
    'invalid-request',
    `${adapter.id}: a range needs a start from 0 and a length from 1, in bytes.`,
    {
      key,
      sourceId: adapter.id,
      field: 'range',
    },
  )
}

/** The error for a range that begins at or beyond the object's end. */
export function rangeBeyondEnd(adapter: Called, key: string, start: number, cause?: unknown): StowageError {
  return new StowageError('invalid-request', `${adapter.id}: ${JSON.stringify(key)} ends before byte ${start}.`, {
    key,
    sourceId: adapter.id,
    field: 'range',
    ...(cause === undefined ? {} : { cause }),
  })
}
