import type { Random } from '@stowage/core'

/** How long to wait between tries. */
export interface Backoff {
  /** The ceiling of the first wait, in milliseconds; it doubles with every try. */
  baseMs: number
  /** The ceiling of any wait, in milliseconds. */
  maxMs: number
}

/**
 * Full jitter: anything from 0 to the ceiling, so that many clients that failed together do not come back together.
 * Never below what the store asked for.
 */
export function backoffMs(attempt: number, backoff: Backoff, random: Random, retryAfterMs?: number): number {
  const ceiling = Math.min(backoff.maxMs, backoff.baseMs * 2 ** Math.min(30, attempt - 1))
  return Math.max(retryAfterMs ?? 0, Math.round(random.next() * ceiling))
}
