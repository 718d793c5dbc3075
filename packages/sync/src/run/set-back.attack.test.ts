import { at, type Clock, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

const DAY = 86_400_000

function world(count: number) {
  const clock = new FakeClock()
  let wrong = 0
  const machine: Clock = { now: () => clock.now() + wrong, sleep: (ms, signal) => clock.sleep(ms, signal) }
  const setBack = (): void => {
    wrong -= DAY
  }
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  for (let i = 0; i < count; i++) a.seed(`src/k${i}`, patterned(1000, i))
  const run = (more: Partial<SyncOptions> = {}) =>
    createSync({ store, clock: machine, random: seededRandom(1), owner: fakeOwner(1) }).run({
      from: at(a, 'src'),
      to: at(b, 'dst'),
      ...more,
    })
  return { clock, setBack, store, a, b, run }
}

/** Lets so much time go on, sets the clock back, and lets time go on, for two minutes at most. @returns the seconds that it took */
async function setBackAfter(
  ms: number,
  { clock, setBack }: Pick<ReturnType<typeof world>, 'clock' | 'setBack'>,
  work: Promise<unknown>,
): Promise<number> {
  await clock.advance(ms)
  setBack()
  let over = false
  const done = (): void => {
    over = true
  }
  work.then(done, done)
  let seconds = 0
  for (; seconds < 120 && !over; seconds++) await clock.advance(1000)
  return seconds
}

describe('a clock that is set back by a day in the middle of a run', () => {
  it.each([
    ['while a store asks for patience', () => new StowageError('throttled', 'Slow down.', { retryAfterMs: 3000 }), 1],
    ['while a store is away', () => new StowageError('unavailable', 'Away.'), 12],
  ])('%s does not make it wait for that day', async (_, error, times) => {
    const here = world(60)
    const { a, b, run } = here
    let failures = 0
    b.options.before = ({ operation }) => {
      if (operation !== 'put' || failures >= times) return
      failures++
      throw error()
    }
    const running = run()
    expect(await setBackAfter(10, here, running)).toBeLessThan(60)
    expect(failures).toBe(times)
    expect(await running).toMatchObject({ status: 'success', objects: { copied: 60 } })
    expect(b.objects.size).toBe(a.objects.size)
  })

  it('is no reason to hold bytes back that long', async () => {
    const here = world(20)
    const { run } = here
    const running = run({ bandwidthLimit: 4000, concurrency: 2 })
    expect(await setBackAfter(600, here, running)).toBeLessThan(30)
    expect(await running).toMatchObject({ status: 'success', objects: { copied: 20 } })
  })

  it('does not keep what is done from being written down', async () => {
    const { clock, setBack, store, b, run } = world(4)
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    b.options.before = async ({ operation, key }) => {
      if (operation === 'put' && key === 'dst/k3') await held
    }
    const running = run({ concurrency: 1 })
    const ledger = async () => (await store.list('pair/', { limit: 100 })).filter((key) => key.includes('/ledger/'))
    await clock.advance(100)
    setBack()
    expect(await ledger()).toEqual([])
    await clock.advance(10_000)
    expect(await ledger()).not.toEqual([])
    go()
    await clock.advance(5_000)
    expect(await running).toMatchObject({ status: 'success' })
  })
})
