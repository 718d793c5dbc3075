import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, runAs } from '../testing/index.ts'

function setup(count: number) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]
  for (let i = 0; i < count; i++) a.seed(`src/k${i}`, `${i}`)
  const sync = createSync({ store, clock, random: seededRandom(1) })
  const ends = { from: at(a, 'src'), to: at(b, 'dst') }
  const run = (more: Partial<SyncOptions>) => sync.run({ ...ends, ...more })
  return { clock, store, a, b, ends, run }
}

describe('the number that may be deleted', () => {
  it('is kept whatever the share allows, also by a dry run, by partitions and by another run of the same', async () => {
    const { clock, store, b, ends, run } = setup(100)
    await run({})
    for (let i = 0; i < 10; i++) b.seed(`dst/extra${i}`, 'x')
    const refused = { code: 'unsafe', field: 'maxDeleteCount' }
    for (const dryRun of [true, false, false])
      await expect(run({ delete: true, maxDeleteCount: 9, dryRun })).rejects.toMatchObject(refused)
    const worker = { store, clock, owner: fakeOwner(7), random: seededRandom(7) }
    await expect(runAs(worker, { ...ends, delete: true, maxDeleteCount: 9 })).rejects.toMatchObject(refused)
    expect([b.objects.size, b.calls.get('deleteMany')]).toEqual([110, undefined])
    // And the share is kept whatever the number allows.
    await expect(run({ delete: true, maxDeleteCount: 10, maxDeletePercent: 5 })).rejects.toMatchObject({
      code: 'unsafe',
      field: 'maxDeletePercent',
    })
    expect(await run({ delete: true, maxDeleteCount: 10 })).toMatchObject({
      status: 'success',
      objects: { deleted: 10 },
    })
    expect(b.objects.size).toBe(100)
  })

  it('holds for either side of a two-way sync, and for named keys, all runs together', async () => {
    const { a, b, run } = setup(20)
    const both = { twoWay: true, maxDeleteCount: 2 } as const
    await run(both)
    for (let i = 0; i < 3; i++) a.objects.delete(`src/k${i}`)
    await expect(run(both)).rejects.toMatchObject({ code: 'unsafe', field: 'maxDeleteCount' })
    expect(b.objects.size).toBe(20)
    expect(await run({ ...both, maxDeleteCount: 3 })).toMatchObject({ status: 'success', objects: { deleted: 3 } })

    const other = setup(20)
    const named = (...keys: string[]) => other.run({ keys, delete: true, maxDeleteCount: 2 })
    await other.run({})
    for (let i = 0; i < 3; i++) other.a.objects.delete(`src/k${i}`)
    expect(await named('k0')).toMatchObject({ objects: { deleted: 1 } })
    await expect(named('k1', 'k2')).rejects.toMatchObject({ code: 'unsafe', field: 'maxDeleteCount' })
    expect(await named('k1')).toMatchObject({ objects: { deleted: 1 } })
    expect(other.b.objects.size).toBe(18)
  })

  it('is a whole number', async () => {
    for (const maxDeleteCount of [-1, 1.5, Number.NaN])
      await expect(setup(1).run({ maxDeleteCount })).rejects.toMatchObject({
        code: 'configuration',
        field: 'maxDeleteCount',
      })
  })
})

it('deletes come after all that is copied', async () => {
  const { a, b, run } = setup(30)
  await run({})
  for (let i = 0; i < 5; i++) b.seed(`dst/a-extra${i}`, 'x')
  for (let i = 0; i < 30; i++) a.seed(`src/k${i}`, `new ${i}`)
  const writes: string[] = []
  b.options.after = ({ operation }) => {
    if (operation === 'put' || operation === 'deleteMany') writes.push(operation)
  }
  expect(await run({ delete: true })).toMatchObject({ objects: { copied: 30, deleted: 5 } })
  expect(writes).toEqual([...Array.from({ length: 30 }, () => 'put'), 'deleteMany'])
})
