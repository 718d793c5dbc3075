import type { Capabilities, Clock, StorageAdapter } from '@stowage/core'

/** An adapter to be tested, and what the test needs beside it. Hooks that a store has no use for are left out. */
export interface AdapterUnderTest {
  adapter: StorageAdapter
  /** Gives everything back: the bucket, the folder, the connections. */
  cleanup(): Promise<void>
  /** The same place with a wrong secret. */
  createBroken?(): StorageAdapter
  /** A bucket or root that does not exist. */
  createMissing?(): StorageAdapter
  /** An endpoint where nobody answers. */
  createDead?(): StorageAdapter
  /** The same place, seen by a machine with this clock. */
  createWithClock?(clock: Clock): StorageAdapter
  /** A key that cannot be deleted at this moment, and how to set that right again. */
  lockKey?(key: string): Promise<() => Promise<void>>
  /** The store's name of its usual storage class. @defaultValue 'STANDARD' */
  storageClass?: string
  /** Headers that make a write a copy of this key, in every way the store knows. */
  copySources?(key: string): Record<string, string>[]
  /** The secret that must appear nowhere. */
  secret?: string
}

/** What a case gets. */
export interface Run {
  adapter: StorageAdapter
  capabilities: Capabilities
  under: AdapterUnderTest
  /** A folder of the case's own, ending in `/`. */
  folder: string
  /** Another adapter of the same kind, which the case may close. */
  createAnother(): Promise<AdapterUnderTest>
}

/** One rule of the contract. */
export interface Case {
  name: string
  run(run: Run): Promise<void>
}
