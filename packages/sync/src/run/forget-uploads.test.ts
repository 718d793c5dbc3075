import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

it('forgets the uploads of a sync whose process died, but not of one that runs', async () => {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  const as = (pid: number, alive: (pid: number) => boolean = () => false) =>
    createSync({ store, clock, random: seededRandom(pid), owner: fakeOwner(pid, alive) })
  a.seed('src/large', patterned(5000))
  const { promise: reached, resolve: arrived } = Promise.withResolvers<void>()
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  let parts = 0
  b.options.before = async ({ operation }) => {
    if (operation !== 'uploadPart' || ++parts < 3) return
    arrived()
    await opened
  }
  const first = as(1).run({ from: at(a, 'src'), to: at(b, 'dst'), partSize: 1000, concurrency: 1 })
  first.catch(() => undefined)
  await reached
  // The source is named only: it may be gone.
  const given = { from: { adapter: { id: 'a' }, prefix: 'src/' }, to: at(b, 'dst') }
  await expect(as(2, () => true).forgetUploads(given)).rejects.toMatchObject({ code: 'lease-held' })
  expect(await as(2).forgetUploads({ ...given, include: ['*.jpg'] })).toBe(0)
  expect(b.uploads.size).toBe(1)
  b.options.before = () => undefined
  expect(await as(2).forgetUploads(given)).toBe(1)
  expect(b.uploads.size).toBe(0)
  expect((await store.list('pair/')).filter((key) => key.includes('/upload/'))).toEqual([])
  expect(await as(3).run({ from: at(a, 'src'), to: at(b, 'dst'), partSize: 1000 })).toMatchObject({ status: 'success' })
  open()
  await expect(first).rejects.toMatchObject({ code: 'lease-lost' })
})
