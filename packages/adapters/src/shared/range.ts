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

/** The value of a `Range` header. */
export function rangeHeader(range: { start: number; length?: number }): string {
  return `bytes=${range.start}-${range.length === undefined ? '' : range.start + range.length - 1}`
}

/**
 * What part of an object an answer carries, held against what was asked for; `size` is that of the whole object.
 * @throws StowageError `integrity` for another part, or for an answer that does not say
 */
export function answeredRange(
  adapter: Called,
  key: string,
  asked: GetOptions['range'],
  contentRange: string | undefined,
  contentLength: number | undefined,
): { start: number; length: number; size: number } {
  if (asked === undefined && contentLength !== undefined) {
    return { start: 0, length: contentLength, size: contentLength }
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? '')
  if (asked !== undefined && match !== null) {
    const [first, last, size] = [Number(match[1]), Number(match[2]), Number(match[3])]
    const length = Math.min(asked.length ?? size, size - asked.start)
    if (first === asked.start && last === first + length - 1 && (contentLength ?? length) === length) {
      return { start: first, length, size }
    }
  }
  const what =
    asked === undefined ? 'did not say how long the object is' : 'answered with another range than was asked for'
  throw new StowageError('integrity', `${adapter.id}: ${JSON.stringify(key)}: the store ${what}.`, {
    key,
    sourceId: adapter.id,
  })
}
