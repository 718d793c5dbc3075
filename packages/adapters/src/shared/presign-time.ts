import { StowageError } from '@stowage/core'
import type { Called } from './calls.ts'

/**
 * The seconds that a URL can last: no longer than the credentials it is signed with.
 * @param expiresAt when those end, in milliseconds since the epoch; `undefined` for never
 * @throws StowageError `access-denied` when they end within the second
 */
export function secondsLeft(adapter: Called, wanted: number, now: number, expiresAt: number | undefined): number {
  if (expiresAt === undefined) return wanted
  const left = Math.min(wanted, Math.floor((expiresAt - now) / 1000))
  if (left >= 1) return left
  throw new StowageError('access-denied', `${adapter.id}: the session token has expired.`, {
    sourceId: adapter.id,
    hint: 'Get a new one.',
  })
}
