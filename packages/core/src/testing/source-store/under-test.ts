import type { DatasetStore, SourceStore } from '../../ports/index.ts'
import type { FakeClock } from '../fake-clock.ts'

/** One store on data of its own, made for one test. */
export interface SourceStoreUnderTest {
  store: SourceStore
  /** The datasets of the same catalog: their replicas and drafts hold sources. */
  datasets: DatasetStore
  /** Closes both stores and opens the same data again. Left out by a store that lives in memory. */
  reopen?(): Promise<SourceStore>
  /** Closes what is open and removes the data. */
  cleanup(): Promise<void>
}

/** Makes a store for the running test and has it cleaned up afterwards. */
export type Fresh = () => Promise<SourceStoreUnderTest & { clock: FakeClock }>
