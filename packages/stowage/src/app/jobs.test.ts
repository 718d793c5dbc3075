import { memory } from '@stowage/adapters/memory'
import { openCatalog } from '@stowage/catalog'
import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createStowage } from './create.ts'

it('sweeps abandoned drafts by itself', async () => {
  const clock = new FakeClock()
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const stowage = await createStowage(
    { sources: [{ id: 'mem', type: 'memory' }] },
    { clock, catalog, adapters: { mem: memory({ id: 'mem' }) } },
  )
  const cats = await stowage.as({ userId: 'ada' }).datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  expect(stowage.periodic.list()).toMatchObject([
    { id: 'sweep-drafts', every: 21_600_000 },
    { id: 'scrub' },
    { id: 'evict' },
  ])
  const [sweep] = stowage.periodic.list()
  if (sweep === undefined) throw new Error('There is no sweep.')
  const { signal } = new AbortController()
  await stowage.periodic.turn(sweep, signal)
  clock.set(clock.now() + 8 * 24 * 3_600_000)
  await stowage.periodic.turn(sweep, signal)
  expect((await catalog.datasets.getDraft(draft.id))?.status).toBe('discarded')
  expect(await stowage.periodic.read('sweep-drafts')).toMatchObject({ failures: 0, endedAt: clock.now() })
  await stowage.close()
  await catalog.close()
})
