import { at, StowageError, type SyncStore } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

const operations = ['get', 'put', 'delete', 'list', 'now'] as const

/** A sync on a store whose n-th call of one operation fails, before or after it took effect, or takes its time, or takes the store down. */
function setup(operation: (typeof operations)[number], mode: string, which: number) {
  const clock = new FakeClock()
  const inner = memoryStore({ clock })
  let calls = 0
  let downUntil = 0
  const lost = () => new StowageError('unavailable', 'The answer was lost.')
  const call = async (name: string, work: () => Promise<unknown>): Promise<unknown> => {
    if (clock.now() < downUntil) throw lost()
    if (name !== operation || ++calls !== which) return await work()
    if (mode === 'down') downUntil = clock.now() + 25_000
    if (mode === 'slow') await clock.sleep(12_000)
    else if (mode !== 'after') throw lost()
    const result = await work()
    if (mode === 'after') throw lost()
    return result
  }
  const store = new Proxy(inner, {
    get: (_, name: keyof SyncStore) => {
      const method = inner[name] as (...args: unknown[]) => Promise<unknown>
      return (...args: unknown[]) => call(name, () => method(...args))
    },
  })
  const a = new FakeAdapter({ id: 'a', pageSize: 3 })
  const b = new FakeAdapter({ id: 'b', pageSize: 3 })
  for (let i = 10; i < 30; i++) a.seed(`src/k${i}`, `y${i}`)
  a.seed('src/big', patterned(5500))
  b.seed('dst/old', 'x')
  const sync = createSync({ store, clock, random: seededRandom(3), owner: fakeOwner(1) })
  const run = async () => {
    const running = sync.run({
      from: at(a, 'src'),
      to: at(b, 'dst'),
      partSize: 1000,
      delete: true,
      maxDeletePercent: 100,
    })
    let ended = false
    const end = (): void => {
      ended = true
    }
    running.then(end, end)
    for (let i = 0; i < 2000 && !ended; i++) await clock.advance(500)
    return await running.catch((error: StowageError) => error)
  }
  const calm = (): void => {
    calls = Number.NaN
    downUntil = 0
  }
  return { clock, b, run, calm }
}

describe.each(operations)('a store of which %s fails once', (operation) => {
  it.each(['before', 'after', 'slow'])('(%s) disturbs no run, wherever it happens', async (mode) => {
    for (let which = 1; which <= 20; which++) {
      const { b, run, calm } = setup(operation, mode, which)
      expect(await run(), `call ${which}`).toMatchObject({ status: 'success', objects: { failed: 0, deleted: 1 } })
      calm()
      expect(await run()).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 21 } })
      expect([b.objects.size, b.uploads.size]).toEqual([21, 0])
    }
  })

  it('(and is away for half a minute) ends the run at worst; the next one brings it to the same end', async () => {
    for (let which = 1; which <= 20; which += 3) {
      const { clock, b, run, calm } = setup(operation, 'down', which)
      await run()
      calm()
      // A lease that could not be given back runs out.
      await clock.advance(60_000)
      expect(await run()).toMatchObject({ status: 'success', objects: { failed: 0 } })
      expect(await run()).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 21 } })
      expect([b.objects.size, b.uploads.size]).toEqual([21, 0])
    }
  })
})
