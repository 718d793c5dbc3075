import { at, type StowageError } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf, ledgerOf, runAs } from '../testing/index.ts'

const name = (i: number): string => `k${String(i).padStart(5, '0')}`

/** Chunks of the ledger, of 4096 entries each, that borders cut into several pieces. */
it.each(Array.from({ length: repeats(1, 8) }, (_, i) => i + 1))(
  'a ledger whose chunks reach over several borders loses no entry, whoever dies (%i)',
  async (seed) => {
    const clock = new FakeClock()
    const store = memoryStore({ clock })
    const random = seededRandom(seed)
    const a = new FakeAdapter({ id: 'a' })
    const b = new FakeAdapter({ id: 'b' })
    const count = 9000
    for (let i = 0; i < count; i++) a.seed(`src/${name(i)}`, `${i}`)
    const options = { from: at(a, 'src'), to: at(b, 'dst') }
    const passes = async <T>(work: Promise<T>): Promise<T | StowageError> => {
      let ended = false
      const end = (): void => {
        ended = true
      }
      work.then(end, end)
      for (let i = 0; i < 5000 && !ended; i++) await clock.advance(500)
      return await work.catch((error: StowageError) => error)
    }
    const live = (pid: number, life: Life, lanes = 4) => {
      const worker = {
        store: mortal(store, 'store', life),
        clock,
        owner: fakeOwner(pid),
        random: seededRandom(seed * 100 + pid),
      }
      const mine = { pageSize: 100, ...hooksOf(life) }
      const from = at(new FakeAdapter({ id: 'a', sameAs: a, ...mine }), 'src')
      const to = at(new FakeAdapter({ id: 'b', sameAs: b, ...mine }), 'dst')
      return passes(runAs({ ...worker, afterKeys: 200 }, { ...options, from, to, lanes, delete: true }))
    }
    const forEver = () => new Life(Number.POSITIVE_INFINITY, true)
    expect(await live(1, forEver(), 1)).toMatchObject({ status: 'success', objects: { copied: count } })
    for (let i = 0; i < 60; i++) a.seed(`src/${name(Math.floor(random.next() * count))}`, `changed ${i}`)
    for (let i = 0; i < 30; i++) a.objects.delete(`src/${name(Math.floor(random.next() * count))}`)
    for (let pid = 2; pid < 8; pid++)
      await live(pid, new Life(20 + Math.floor(random.next() * 400), random.next() < 0.5))
    const last = await live(9, forEver())
    expect(last).toMatchObject({ status: 'success', errors: [] })
    expect(Object.values(b.contents())).toEqual(Object.values(a.contents()))
    expect((await ledgerOf(store, clock, a, b)).map(({ key }) => `src/${key}`)).toEqual(Object.keys(a.contents()))
    expect((await store.list('pair/')).filter((key) => /\/(part|wish|upload)\//.test(key))).toEqual([])
    expect(await live(10, forEver())).toMatchObject({
      status: 'success',
      objects: { copied: 0, skipped: a.objects.size },
    })
  },
  600_000,
)
