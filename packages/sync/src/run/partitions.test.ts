import { at } from '@stowage/core'
import { FakeClock, Life, mortal, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf, ledgerOf, patterned, runAs } from '../testing/index.ts'

function setup(count: number) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a', pageSize: 5 })
  const b = new FakeAdapter({ id: 'b', pageSize: 5 })
  for (let i = 0; i < count; i++) a.seed(`src/k${String(i).padStart(4, '0')}`, patterned(10 + (i % 7), i))
  const worker = (pid: number) => ({ store, clock, owner: fakeOwner(pid), random: seededRandom(pid) })
  const options = { from: at(a, 'src'), to: at(b, 'dst') }
  return { clock, store, a, b, worker, options }
}

const dst = (b: FakeAdapter): Record<string, string> =>
  Object.fromEntries(Object.entries(b.contents()).map(([key, value]) => [key.replace('dst/', 'src/'), value]))

describe('a large key space', () => {
  it('is divided, listed side by side, and ends in one ledger and no other record', async () => {
    const { store, clock, a, b, worker, options } = setup(300)
    const open: number[] = []
    const result = await runAs(worker(1), { ...options, onPartitions: (count) => open.push(count) })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 300, skipped: 0 } })
    expect(dst(b)).toEqual(a.contents())
    expect(Math.max(...open)).toBeGreaterThan(2)
    const ledger = await ledgerOf(store, clock, a, b)
    expect(ledger.map(({ key }) => `src/${key}`)).toEqual(Object.keys(a.contents()))
    const records = await store.list('pair/')
    expect(records.filter((key) => /\/(part|wish)\//.test(key))).toEqual([])
    const again = await runAs(worker(2), options)
    expect(again).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 300 } })
    expect(await ledgerOf(store, clock, a, b)).toEqual(ledger)
  })

  it('deletes what only the target has, in all partitions, capped over the whole', async () => {
    const { b, worker, options } = setup(100)
    await runAs(worker(1), options)
    for (let i = 0; i < 100; i++) b.seed(`dst/k${String(i).padStart(4, '0')}-extra`, 'x')
    for (let i = 0; i < 10; i++) b.seed(`dst/z${i}`, 'x')
    const careful = { ...options, delete: true, maxDeletePercent: 10 }
    await expect(runAs(worker(2), careful)).rejects.toMatchObject({ code: 'unsafe', field: 'maxDeletePercent' })
    expect(b.objects.size).toBe(210)
    const result = await runAs(worker(3), { ...careful, maxDeletePercent: 60 })
    expect(result).toMatchObject({ status: 'success', objects: { deleted: 110 } })
    expect(b.objects.size).toBe(100)
  })

  it.each([
    ['a minute', 60_000, false],
    ['a day', 24 * 3600_000, true],
  ])('left in the middle for %s, is looked at anew in the end only when that is long', async (_, pause, anew) => {
    const { clock, store, a, b, worker, options } = setup(100)
    const life = new Life(60, true, /^put dst/)
    b.options = { ...b.options, ...hooksOf(life) }
    const dying = { ...worker(1), store: mortal(store, 'store', life) }
    // Few at a time, so that it gets somewhere before it dies.
    await expect(runAs(dying, { ...options, concurrency: 16 })).rejects.toMatchObject({ code: 'internal' })
    b.options = { pageSize: 5 }
    a.seed('src/a-new-one', 'x')
    await clock.advance(pause)
    expect(await runAs(worker(2), options)).toMatchObject({ status: 'success', objects: { failed: 0 } })
    expect(b.objects.has('dst/a-new-one')).toBe(anew)
    expect(await runAs(worker(3), options)).toMatchObject({ status: 'success', objects: { copied: anew ? 0 : 1 } })
    expect(b.objects.size).toBe(101)
  })

  it('its unfinished uploads are not given up while a helper is at work, though nobody leads', async () => {
    const { clock, store, a, b, worker, options } = setup(100)
    const lead = new Life(60, true, /^put dst/)
    b.options = { ...b.options, ...hooksOf(lead) }
    // Few at a time, so that it gets as far as to partition before it dies.
    const few = { ...options, concurrency: 16 }
    await runAs({ ...worker(1), store: mortal(store, 'store', lead) }, few).catch(() => undefined)
    const pair = { from: options.from, to: options.to }
    const sync = (pid: number, alive: boolean) =>
      createSync({ store, clock, random: seededRandom(pid), owner: fakeOwner(pid, () => alive) })
    // As the one who led sees it: its partitions' owner lives, and only the pair's lease has been given back.
    const [state] = (await store.list('pair/')).filter((key) => key.endsWith('/state'))
    const found = await store.get(state ?? '')
    const given = Buffer.from(found?.value ?? [])
      .toString()
      .replace(/"lease":\{"owner":\{[^}]*\},"token":\d+,"expiresAt":\d+\}/, '"lease":null')
    await store.put(state ?? '', Buffer.from(given), found?.revision ?? null)
    await expect(sync(2, true).forgetUploads(pair)).rejects.toMatchObject({ code: 'lease-held' })
    expect(await sync(3, false).forgetUploads(pair)).toBe(0)
    expect(Object.keys(a.contents())).toHaveLength(100)
  })
})
