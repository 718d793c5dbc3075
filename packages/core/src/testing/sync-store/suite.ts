import { describe, onTestFinished } from 'vitest'
import { batchTests } from './batch.ts'
import { keyTests } from './keys.ts'
import { raceTests } from './races.ts'
import { reopenTests } from './reopen.ts'
import type { Fresh, SyncStoreUnderTest } from './under-test.ts'
import { writeTests } from './writes.ts'

/** A kind of store, to the contract suite. */
export interface SyncStoreSuite {
  /** What the tests are called. */
  name: string
  /** It writes several records in one step. @defaultValue false */
  batches?: boolean
  /** Makes an empty store. */
  create(): Promise<SyncStoreUnderTest>
}

/**
 * The contract of `SyncStore`, as tests. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testSyncStore({ name: 'memory', create: async () => ({ store: memoryStore(), cleanup: async () => {} }) })
 * ```
 */
export function testSyncStore({ name, batches = false, create }: SyncStoreSuite): void {
  const fresh: Fresh = async () => {
    const made = await create()
    onTestFinished(() => made.cleanup())
    return made
  }
  describe(`sync store: ${name}`, () => {
    writeTests(fresh)
    batchTests(fresh, batches)
    keyTests(fresh)
    raceTests(fresh)
    reopenTests(fresh)
  })
}
