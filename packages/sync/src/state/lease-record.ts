import type { Records } from './cas.ts'
import type { Owner, ProcessIdentity } from './owner.ts'

/** How long a lease lasts without a sign of life, in milliseconds. */
export const LEASE_MS = 30_000

/** A lease that runs so much longer than any, in milliseconds, was given by a clock that was wrong. */
const wrongMs = 86_400_000

/** Who has something, and until when. */
export interface LeaseRecord {
  /** The process, so that another one on its machine can tell at once that it is dead, and a name for each time that it takes something. */
  owner: ProcessIdentity & { nonce: string }
  /** Milliseconds since the epoch, by the store's clock. */
  expiresAt: number
}

/** Whether somebody works under this lease, for all that is known. @param now by the store's clock */
export function isHeld(lease: LeaseRecord | null | undefined, owner: Owner, now: number): lease is LeaseRecord {
  if (lease === null || lease === undefined) return false
  return lease.expiresAt > now && lease.expiresAt <= now + wrongMs && !owner.isDead(lease.owner)
}

/** A lease that begins now. @param now by the store's clock */
export function newLease({ clock, random, leaseMs = LEASE_MS }: LeaseClock, owner: Owner, now: number): LeaseRecord {
  return { owner: { ...owner.identity, nonce: random.id(clock.now()) }, expiresAt: now + leaseMs }
}

type LeaseClock = Pick<Records, 'clock' | 'random' | 'leaseMs'>

/** A record that one process at a time works on, which it says in itself. */
export interface LeasedRecord<T> {
  readonly key: string
  decode(bytes: Uint8Array): T
  /** No two writes have the same bytes, so that one whose answer was lost can be told from another's. */
  encode(value: T): Uint8Array
  leaseOf(value: T): LeaseRecord | null | undefined
  /** The value as it is written next. `null`: nobody has it. */
  withLease(value: T, lease: LeaseRecord | null): T
}
