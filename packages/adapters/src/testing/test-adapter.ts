import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AdapterUnderTest, Case } from './case.ts'
import { cases } from './cases/index.ts'

/** What {@link testAdapter} is told. */
export interface AdapterSuite {
  name: string
  /** Makes an adapter on an empty place of its own. Called for the whole suite, and for cases that close theirs. */
  create(): Promise<AdapterUnderTest>
  /** Cases that this adapter is known to fail, each with the reason. They must go on failing: one that passes fails the run. */
  knownGaps?: readonly { test: string; reason: string }[]
  /** Milliseconds for one case. @defaultValue 240000 */
  timeoutMs?: number
}

/**
 * The conformance suite: what every adapter must do, with vitest.
 *
 * What an adapter's capabilities declare must work, and what they do not declare must be refused with `not-supported`; so no case is
 * left out for any adapter.
 *
 * @example
 * ```ts
 * testAdapter({
 *   name: 'memory',
 *   create: async () => ({ adapter: memory({ id: 'test' }), cleanup: async () => {} }),
 * })
 * ```
 */
export function testAdapter(suite: AdapterSuite): void {
  const gaps = new Map((suite.knownGaps ?? []).map((gap) => [gap.test, gap.reason]))
  describe(`${suite.name} conforms`, () => {
    let under: AdapterUnderTest

    beforeAll(async () => {
      under = await suite.create()
    }, suite.timeoutMs)
    afterAll(async () => {
      await under?.cleanup()
    }, suite.timeoutMs)

    const run = (one: Case, index: number): Promise<void> => {
      const { adapter } = under
      return one.run({
        adapter,
        capabilities: adapter.capabilities,
        under,
        folder: `case-${index}/`,
        createAnother: () => suite.create(),
      })
    }

    for (const [index, one] of cases.entries()) {
      const reason = gaps.get(one.name)
      const timeout = suite.timeoutMs ?? 240_000
      if (reason === undefined) it(one.name, () => run(one, index), timeout)
      else it.fails(`${one.name} (known gap: ${reason})`, () => run(one, index), timeout)
    }

    it('has known gaps only in cases that exist', () => {
      const names = cases.map((one) => one.name)
      expect([...gaps.keys()].filter((name) => !names.includes(name))).toEqual([])
    })
  })
}
