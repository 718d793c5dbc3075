import { openCatalog } from '@stowage/catalog'
import { Events, systemRandom } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { ChangeNotes } from './change-notes.ts'
import { type PolicyState, policyKeys } from './policy-records.ts'
import { PolicyRuns } from './policy-runs.ts'
import type { PolicyWork } from './policy-work.ts'
import { Records } from './records.ts'

it.each([
  ['one that came after it is seen to', true],
  ['all that came before it is forgotten', false],
])('of more keys than a run takes up, noted around a cancel, %s', async (_, isNew) => {
  const clock = new FakeClock(1000)
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const records = new Records({ store: catalog.sync, clock, random: systemRandom })
  const notes = new ChangeNotes(records, systemRandom)
  const work = {} as PolicyWork
  const runs = new PolicyRuns({
    records,
    notes,
    work,
    all: () => [],
    clock,
    random: systemRandom,
    events: new Events(),
  })
  await records.write(policyKeys.state('p'), { failures: 0, queued: 'task' } satisfies PolicyState)
  const many = Array.from({ length: 10_001 }, (_, i) => ({ key: `k${i}`, written: 1000, heard: 1000 }))
  await notes.add('p', many, 1000)
  if (isNew) await notes.add('p', [{ key: 'late', written: 3000, heard: 3000 }], 3000)
  expect(await notes.take('p', new AbortController().signal)).toMatchObject({ tooMany: true })
  await runs.mark('p')
  expect(await runs.withdraw('p', 'task', 2000)).toBe(true)
  expect(await runs.state('p')).toMatchObject({ cancelledAt: 2000 })
  expect([await notes.any('p'), (await catalog.sync.list(policyKeys.due)).length]).toEqual([isNew, isNew ? 1 : 0])
  await catalog.close()
})
