import { describe, onTestFinished } from 'vitest'
import { FakeClock } from '../fake-clock.ts'
import { changeTests } from './changes.ts'
import { credentialTests } from './credentials.ts'
import { removalTests } from './removal.ts'
import { reopenTests } from './reopen.ts'
import { rewrapTests } from './rewrap.ts'
import { sourceTests } from './sources.ts'
import type { Fresh, SourceStoreUnderTest } from './under-test.ts'
import { updateTests } from './updates.ts'

/** A kind of store, to the contract suite. */
export interface SourceStoreSuite {
  /** What the tests are called. */
  name: string
  /** Makes an empty store that takes its time from this clock. */
  create(clock: FakeClock): Promise<SourceStoreUnderTest>
}

/**
 * The contract of `SourceStore`, as tests. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testSourceStore({
 *   name: 'memory',
 *   create: async (clock) => {
 *     const catalog = await openCatalog({ type: 'memory' }, { clock })
 *     return { store: catalog.sources, datasets: catalog.datasets, cleanup: () => catalog.close() }
 *   },
 * })
 * ```
 */
export function testSourceStore({ name, create }: SourceStoreSuite): void {
  const fresh: Fresh = async () => {
    const clock = new FakeClock()
    const made = await create(clock)
    onTestFinished(() => made.cleanup())
    return { ...made, clock }
  }
  describe(`source store: ${name}`, () => {
    sourceTests(fresh)
    updateTests(fresh)
    removalTests(fresh)
    credentialTests(fresh)
    rewrapTests(fresh)
    changeTests(fresh)
    reopenTests(fresh)
  })
}
