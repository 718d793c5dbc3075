import { isHeld, type LeaseRecord, processOwner } from '@stowage/sync'

/** A record that says who works on it. */
export interface Leased {
  lease?: LeaseRecord | null
}

/** Whether somebody works on it, at a time of the store's clock. */
export function isLeased(record: Leased | undefined, now: number): boolean {
  return isHeld(record?.lease, processOwner, now)
}

/** The record as it is written next. @param lease `null`: nobody has it */
export function withLease<T extends Leased>(record: T, lease: LeaseRecord | null): T {
  const { lease: _, ...rest } = record
  return (lease === null ? rest : { ...rest, lease }) as T
}
