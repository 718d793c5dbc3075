import { describe, onTestFinished } from 'vitest'
import { FakeClock } from '../fake-clock.ts'
import { damageTests } from './damage.ts'
import { datasetTests } from './datasets.ts'
import { draftTests } from './drafts.ts'
import { outboxTests } from './outbox.ts'
import { publishTests } from './publishing.ts'
import { removalTests } from './removals.ts'
import { reopenTests } from './reopen.ts'
import { replicaTests } from './replicas.ts'
import type { DatasetStoreUnderTest, Fresh } from './under-test.ts'
import { useTests } from './uses.ts'

/** A kind of store, to the contract suite. */
export interface DatasetStoreSuite {
  /** What the tests are called. */
  name: string
  /** Makes an empty store that takes its time from this clock. */
  create(clock: FakeClock): Promise<DatasetStoreUnderTest>
}

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
    useTests(fresh)
    removalTests(fresh)
    damageTests(fresh)
    outboxTests(fresh)
    reopenTests(fresh)
  })
}
