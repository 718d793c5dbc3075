import { type Clock, decodeRecord, encodeRecord, type Random, type SyncStore } from '@stowage/core'
import { Lease, type LeasedRecord, processOwner } from '@stowage/sync'
import { type Leased, withLease } from './leased.ts'

/** A record that this process works on, until it gives it back. */
export type Held<T extends object> = Lease<T & Leased>

/**
 * Takes a record, or makes it.
 * @param what is held, for messages
 * @returns `undefined` when another process has it
 */
export function hold<T extends object>(
  { records: store, clock, random }: { records: SyncStore; clock: Clock; random: Random },
  key: string,
  { what, empty }: { what: string; empty: T },
  signal: AbortSignal | undefined,
): Promise<Held<T> | undefined> {
  const record = heldRecord<T>(key, { clock, random })
  const options = { records: { store, clock, random }, record, owner: processOwner, what }
  return Lease.take(options, (found) => found ?? empty, signal ?? new AbortController().signal)
}

/** How the lease lies in such a record. */
export function heldRecord<T extends object>(
  key: string,
  { clock, random }: { clock: Clock; random: Random },
): LeasedRecord<T & Leased> {
  return {
    key,
    decode: (bytes) => decodeRecord(key, bytes),
    encode: (value) => encodeRecord({ ...value, nonce: random.id(clock.now()) }),
    leaseOf: ({ lease }) => lease,
    withLease,
  }
}

/** The signal of what is done under a lease. */
export function heldSignal(held: { signal: AbortSignal }, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? held.signal : AbortSignal.any([held.signal, signal])
}
