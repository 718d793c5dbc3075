import { StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { SourceLimit } from './source-limit.ts'

/** A store that is simulated: how long it takes, and when it refuses. */
interface Store {
  /** Milliseconds that a piece takes when this many are under way. */
  ms(running: number): number
  /** Whether a piece is refused when this many are under way. */
  refuses?(running: number, now: number): boolean
}

/** Tasks that have as many pieces as it takes, on one store, for a while. */
async function simulate(store: Store, seconds: number, tasks = 1) {
  const clock = new FakeClock()
  const attempts = { repeated: 0, throttled: 0 }
  const limit = new SourceLimit(clock, { id: 'a', attempts })
  const end = new AbortController()
  const done = new Array<number>(tasks).fill(0)
  /** The limit at the end of each second. */
  const limits: number[] = []
  let running = 0
  let refused = 0
  const work = async (task: object, at: number): Promise<void> => {
    while (!end.signal.aborted) {
      const turn = await limit.acquire(task, 4096, end.signal).catch(() => undefined)
      if (turn === undefined) return
      running++
      const isRefused = store.refuses?.(running, clock.now()) ?? false
      await clock.sleep(isRefused ? 5 : store.ms(running))
      running--
      if (isRefused) {
        attempts.throttled++
        refused++
      } else done[at] = (done[at] ?? 0) + 1
      turn.end(!isRefused)
    }
  }
  const workers: Promise<void>[] = []
  for (let at = 0; at < tasks; at++) {
    const task = {}
    // The first task has many pieces that wait, the others fewer.
    for (let i = 0; i < (at === 0 ? 400 : 100); i++) workers.push(work(task, at))
  }
  for (let second = 0; second < seconds; second++) {
    await clock.advance(1000)
    limits.push(limit.limit)
  }
  end.abort()
  await clock.advance(10_000)
  await Promise.all(workers)
  return { done, limits, refused, last: limits.at(-1) ?? 0 }
}

/** Passes so many pieces a second at most, each in this time at least. */
const knee = (perSecond: number, ms: number) => (running: number) => Math.max(ms, (running / perSecond) * 1000)

const average = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length

describe('pieces under way with a store', () => {
  it('are few where the store is near', async () => {
    const { last, done } = await simulate({ ms: knee(1000, 5) }, 5)
    expect(last).toBe(32)
    expect(done[0]).toBeGreaterThan(4500)
  })

  it('fill the way to one that is far, within a second', async () => {
    // 50 ms to read and 50 to write; it would take 2,000 a second.
    const { limits, done } = await simulate({ ms: knee(2000, 100) }, 5)
    expect(limits[0]).toBeGreaterThanOrEqual(200)
    expect(Math.max(...limits)).toBeLessThanOrEqual(600)
    expect(done[0]).toBeGreaterThan(8500)
  })

  it('do not grow without end on a store that is busy', async () => {
    const { limits } = await simulate({ ms: knee(300, 20) }, 200)
    expect(Math.max(...limits)).toBeLessThanOrEqual(70)
  })

  it('come to rest where a store begins to refuse', async () => {
    const { limits, refused, done } = await simulate({ ms: () => 100, refuses: (running) => running > 50 }, 60)
    const later = average(limits.slice(20))
    expect(later).toBeGreaterThan(25)
    expect(later).toBeLessThan(65)
    expect(refused / (done[0] ?? 0)).toBeLessThan(0.2)
    expect(done[0]).toBeGreaterThan(60 * 200)
  })

  it('go on when a fifth is refused whatever is asked', async () => {
    const random = seededRandom(3)
    const { done, last } = await simulate({ ms: () => 20, refuses: () => random.next() < 0.2 }, 30)
    expect(last).toBeGreaterThanOrEqual(2)
    expect(done[0]).toBeGreaterThan(30 * 100)
  })

  it('are one where everything is refused, and many again when the store recovers', async () => {
    const begun = new FakeClock().now()
    const { limits } = await simulate({ ms: () => 200, refuses: (_, now) => now - begun < 5_000 }, 20)
    expect(limits[4]).toBe(1)
    expect(limits.at(-1)).toBeGreaterThanOrEqual(32)
  })

  it('are shared alike by two tasks, though one has more that wait', async () => {
    const { done } = await simulate({ ms: knee(500, 50) }, 20, 2)
    const [first = 0, second = 0] = done
    expect(Math.abs(first - second) / (first + second)).toBeLessThan(0.05)
  })
})

it('a store that says when to come back is asked nothing until then, and no longer than half a minute', async () => {
  const clock = new FakeClock()
  const limit = new SourceLimit(clock, { id: 'a' })
  const { signal } = new AbortController()
  const refused = (retryAfterMs: number, sourceId: string): StowageError =>
    new StowageError('throttled', 'slow down', { retryAfterMs, sourceId })
  const came: string[] = []
  const ask = (name: string): Promise<void> =>
    limit.acquire({}, 1, signal).then((turn) => {
      came.push(name)
      turn.end(true)
    })
  limit.throttled(refused(60_000, 'another'))
  await ask('at once')
  limit.throttled(refused(5_000, 'a'))
  const first = ask('after five seconds')
  await clock.advance(4_900)
  expect(came).toEqual(['at once'])
  await clock.advance(200)
  await first
  limit.throttled(refused(3_600_000, 'a'))
  const second = ask('after half a minute')
  await clock.advance(30_100)
  await second
  expect(came).toHaveLength(3)
})

it('a piece that is given up does not wait any more, and takes nobody its place', async () => {
  const limit = new SourceLimit(new FakeClock(), { id: 'a' })
  const never = new AbortController().signal
  const turns = await Promise.all(Array.from({ length: 32 }, () => limit.acquire(limit, 1, never)))
  const control = new AbortController()
  const given = limit.acquire({}, 1, control.signal)
  const waits = limit.acquire({}, 1, never)
  control.abort()
  await expect(given).rejects.toMatchObject({ code: 'aborted' })
  turns[0]?.end(true)
  ;(await waits).end(true)
  expect(limit.running).toBe(31)
})
