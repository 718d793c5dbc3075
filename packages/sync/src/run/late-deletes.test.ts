import { at, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

/** A run whose second look at the target, the one that deletes, takes some time for each page but the first. */
function setup(pageMs: number) {
  const clock = new FakeClock()
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b', pageSize: 2 })
  for (let i = 0; i < 10; i++) a.seed(`src/k${i}`, 'y')
  for (let i = 0; i < 10; i++) b.seed(`dst/k${i}`, 'y')
  for (const key of ['a0', 'k0-', 'k5-', 'k9-']) b.seed(`dst/${key}`, 'x')
  const listed = new Map<string, number>()
  const ages: number[] = []
  const { list, deleteMany } = b
  let walks = 0
  b.list = async function* (options) {
    const walk = ++walks
    for await (const page of list.call(b, options)) {
      if (walk > 1 && page.objects[0]?.key !== 'dst/a0') await clock.sleep(pageMs, options?.signal)
      for (const { key } of page.objects) listed.set(key, clock.now())
      yield page
    }
  }
  b.deleteMany = async (keys, options) => {
    for (const key of keys) ages.push(clock.now() - (listed.get(key) ?? 0))
    return await deleteMany.call(b, keys, options)
  }
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1) })
  const run = async () => {
    const running = sync.run({ from: at(a, 'src'), to: at(b, 'dst'), delete: true })
    let ended = false
    const end = (): void => {
      ended = true
    }
    running.then(end, end)
    for (let i = 0; i < 3000 && !ended; i++) await clock.advance(500)
    return await running.catch((error: StowageError) => error)
  }
  return { b, ages, run }
}

it.each([3000, 60_000])('nothing is deleted long after it was listed, when a page takes %s ms', async (pageMs) => {
  const { ages, run } = setup(pageMs)
  expect(await run()).toMatchObject({ status: 'success', objects: { deleted: 4 } })
  expect(ages).toHaveLength(4)
  // Ten seconds, and at most the page that was fetched ahead meanwhile.
  expect(Math.max(...ages)).toBeLessThanOrEqual(10_000 + Math.min(pageMs, 10_000))
})

it('a delete that fails while a page is waited for ends the run when nothing else could succeed', async () => {
  const { b, run } = setup(60_000)
  b.deleteMany = async () => {
    throw new StowageError('bucket-not-found', 'No.')
  }
  expect(await run()).toMatchObject({ status: 'failed', error: { code: 'bucket-not-found' } })
  expect(b.objects.size).toBe(14)
})
