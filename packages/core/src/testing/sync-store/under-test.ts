import type { SyncStore } from '../../ports/index.ts'

/** One store on data of its own, made for one test. */
export interface SyncStoreUnderTest {
  store: SyncStore
  /** Closes the store and opens the same data again. Left out by a store that lives in memory. */
  reopen?(): Promise<SyncStore>
  /** Closes what is open and removes the data. */
  cleanup(): Promise<void>
}

/** Makes a store for the running test and has it cleaned up afterwards. */
export type Fresh = () => Promise<SyncStoreUnderTest>
