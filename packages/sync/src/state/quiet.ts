import { type Records, storeNow } from './cas.ts'
import { LEASE_MS } from './lease-record.ts'

/** How long requests of an owner may arrive after another has taken over, in milliseconds: what was left of its lease, and as long again. */
export function longestQuiet({ leaseMs = LEASE_MS }: Pick<Records, 'leaseMs'>): number {
  return 2 * leaseMs
}

/** Waits until no request of an owner that was taken over can arrive any more. A time that lies farther ahead is of a clock that was wrong. */
export async function waitQuiet(records: Records, quietUntil: number, signal: AbortSignal): Promise<void> {
  const wait = quietUntil - (await storeNow(records, signal))
  if (wait > 0) await records.clock.sleep(Math.min(wait, longestQuiet(records)), signal)
}
