import { describe, onTestFinished } from 'vitest'
import type { DatasetStore } from '../../ports/index.ts'
import { FakeClock } from '../fake-clock.ts'
import { datasetTests } from './datasets.ts'
import { draftTests } from './drafts.ts'
import { outboxTests } from './outbox.ts'
import { publishTests } from './publishing.ts'
import { reopenTests } from './reopen.ts'
import { replicaTests } from './replicas.ts'

/** One store on data of its own, made for one test. */
export interface DatasetStoreUnderTest {
  store: DatasetStore
  /** Closes the store and opens the same data again. Left out by a store that lives in memory. */
  reopen?(): Promise<DatasetStore>
  /** Closes what is open and removes the data. */
  cleanup(): Promise<void>
}

/** A kind of store, to the contract suite. */
export interface DatasetStoreSuite {
  /** What the tests are called. */
  name: string
  /** Makes an empty store that takes its time from this clock. */
  create(clock: FakeClock): Promise<DatasetStoreUnderTest>
}

/** Makes a store for the running test and has it cleaned up afterwards. */
export type Fresh = () => Promise<DatasetStoreUnderTest & { clock: FakeClock }>

/**
 * The contract of `DatasetStore`, as tests. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testDatasetStore({
 *   name: 'memory',
 *   create: async (clock) => {
 *     const catalog = await openCatalog({ type: 'memory' }, { clock })
 *     return { store: catalog.datasets, cleanup: () => catalog.close() }
 *   },
 * })
 * ```
 */
export function testDatasetStore({ name, create }: DatasetStoreSuite): void {
  const fresh: Fresh = async () => {
    const clock = new FakeClock()
    const made = await create(clock)
    onTestFinished(() => made.cleanup())
    return { ...made, clock }
  }
  describe(`dataset store: ${name}`, () => {
    datasetTests(fresh)
    draftTests(fresh)
    publishTests(fresh)
    replicaTests(fresh)
    outboxTests(fresh)
    reopenTests(fresh)
  })
}
