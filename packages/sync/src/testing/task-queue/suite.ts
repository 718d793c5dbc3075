import { describe } from 'vitest'
import { endingsTests } from './endings.ts'
import { orderTests } from './order.ts'
import { sharingTests } from './sharing.ts'
import { stoppingTests } from './stopping.ts'
import { Bench, type TaskQueueUnderTest } from './under-test.ts'

/** A kind of queue, to the contract suite. */
export interface TaskQueueSuite {
  /** What the tests are called. */
  name: string
  /** Makes an empty queue. */
  create(): Promise<TaskQueueUnderTest>
}

/**
 * The contract of {@link TaskService}, as tests, for a store with a carrier or without. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testTaskQueue({ name: 'memory', create: async () => ({ store: memoryStore(), cleanup: async () => {} }) })
 * ```
 */
export function testTaskQueue({ name, create }: TaskQueueSuite): void {
  const fresh = () => Bench.make(create)
  describe(`task queue: ${name}`, { timeout: 240_000 }, () => {
    orderTests(fresh)
    sharingTests(fresh)
    stoppingTests(fresh)
    endingsTests(fresh)
  })
}
