import { describe, onTestFinished } from 'vitest'
import type { SyncStore } from '../../ports/index.ts'
import { keyTests } from './keys.ts'
import { raceTests } from './races.ts'
import { reopenTests } from './reopen.ts'
import { writeTests } from './writes.ts'

/** One store on data of its own, made for one test. */
export interface SyncStoreUnderTest {
  store: SyncStore
  /** Closes the store and opens the same data again. Left out by a store that lives in memory. */
  reopen?(): Promise<SyncStore>
  /** Closes what is open and removes the data. */
  cleanup(): Promise<void>
}

/** A kind of store, to the contract suite. */
export interface SyncStoreSuite {
  /** What the tests are called. */
  name: string
  /** Makes an empty store. */
  create(): Promise<SyncStoreUnderTest>
}

/** Makes a store for the running test and has it cleaned up afterwards. */
export type Fresh = () => Promise<SyncStoreUnderTest>

/**
 * The contract of `SyncStore`, as tests. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testSyncStore({ name: 'memory', create: async () => ({ store: memoryStore(), cleanup: async () => {} }) })
 * ```
 */
export function testSyncStore({ name, create }: SyncStoreSuite): void {
  const fresh: Fresh = async () => {
    const made = await create()
    onTestFinished(() => made.cleanup())
    return made
  }
  describe(`sync store: ${name}`, () => {
    writeTests(fresh)
    keyTests(fresh)
    raceTests(fresh)
    reopenTests(fresh)
  })
}
