import { hasCode, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { Bandwidth, backoffMs, InFlight, RetryBudget, retry, Semaphore } from './index.ts'

describe('a semaphore', () => {
  it('serves in order, never gives out more than it has, and lets what is too large go alone', async () => {
    const semaphore = new Semaphore(10)
    const order: string[] = []
    const take = async (name: string, amount: number) => {
      const release = await semaphore.acquire(amount)
      order.push(name)
      return release
    }
    const first = await take('a', 6)
    const large = take('large', 100)
    const last = take('b', 1)
    await Promise.resolve()
    expect(order).toEqual(['a'])
    first()
    first()
    const release = await large
    expect(semaphore.used).toBe(100)
    expect(order).toEqual(['a', 'large'])
    release()
    ;(await last)()
    expect(semaphore.used).toBe(0)
  })

  it('asks what somebody wants when it is his turn', async () => {
    const semaphore = new Semaphore(10)
    let wanted = 10
    const first = await semaphore.acquire(() => wanted)
    const next = [semaphore.acquire(() => wanted), semaphore.acquire(() => wanted)]
    wanted = 4
    first()
    const releases = await Promise.all(next)
    expect(semaphore.used).toBe(8)
    // What was given out comes back as it was.
    wanted = 1
    for (const release of releases) release()
    expect(semaphore.used).toBe(0)
  })

  it('who gives up waiting does not hold up the others', async () => {
    const semaphore = new Semaphore(1)
    const held = await semaphore.acquire(1)
    const stop = new AbortController()
    const waiting = semaphore.acquire(1, stop.signal)
    const next = semaphore.acquire(1)
    stop.abort()
    await expect(waiting).rejects.toSatisfy((error) => hasCode(error, 'aborted'))
    held()
    ;(await next)()
    await expect(semaphore.acquire(1, stop.signal)).rejects.toMatchObject({ code: 'aborted' })
    expect([semaphore.used, semaphore.waiting]).toEqual([0, 0])
  })
})

describe('tries', () => {
  const clock = new FakeClock()
  const options = {
    clock,
    random: { ...seededRandom(1), next: () => 0.5 },
    signal: new AbortController().signal,
    attempts: 3,
    backoff: { baseMs: 100, maxMs: 150 },
  }

  it('waits between them, longer each time up to a limit, and as long as the store asks', async () => {
    expect([1, 2, 3].map((n) => backoffMs(n, options.backoff, options.random))).toEqual([50, 75, 75])
    expect(backoffMs(1, options.backoff, options.random, 9000)).toBe(9000)
    let calls = 0
    const work = retry(async () => {
      calls++
      throw new StowageError('unavailable', 'not now', { retryAfterMs: 5000 })
    }, options)
    work.catch(() => {})
    await clock.advance(4999)
    expect(calls).toBe(1)
    await clock.advance(5001)
    expect(calls).toBe(3)
    await expect(work).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('does not try again what cannot succeed, nor beyond the budget of all', async () => {
    let calls = 0
    const failing = (code: 'access-denied' | 'unavailable') => async () => {
      calls++
      throw new StowageError(code, 'no')
    }
    await expect(retry(failing('access-denied'), options)).rejects.toMatchObject({ code: 'access-denied' })
    expect(calls).toBe(1)
    const budget = new RetryBudget()
    calls = 0
    for (let i = 0; i < 20; i++) {
      const work = retry(failing('unavailable'), { ...options, budget })
      work.catch(() => {})
      await clock.advance(1000)
      await expect(work).rejects.toMatchObject({ code: 'unavailable' })
    }
    expect(calls).toBe(30)
  })
})

it('a bandwidth limit holds on average', async () => {
  const clock = new FakeClock()
  const limit = new Bandwidth(clock, 1000)
  const signal = new AbortController().signal
  const began = clock.now()
  let passed = 0
  const work = (async () => {
    for (let i = 0; i < 50; i++) {
      await limit.take(100, signal)
      passed += 100
    }
  })()
  await clock.advance(2000)
  expect(passed).toBeGreaterThanOrEqual(1900)
  expect(passed).toBeLessThanOrEqual(2200)
  await clock.advance(10_000)
  await work
  expect(clock.now() - began).toBeGreaterThanOrEqual(4800)
})

describe('bytes in flight', () => {
  const MiB = 1024 * 1024

  /** Samples for a while with a link that gives `rate(capacity)`; somebody always waits. */
  async function settled(rate: (capacity: number) => number, samples: number): Promise<{ end: number; most: number }> {
    const memory = new Semaphore(20 * MiB)
    const inFlight = new InFlight(memory, 96 * MiB, new FakeClock())
    const held = await memory.acquire(1000 * MiB)
    const waiting = memory.acquire(MiB)
    let most = 0
    for (let i = 0; i < samples; i++) {
      inFlight.sample(rate(memory.capacity))
      most = Math.max(most, memory.capacity)
    }
    held()
    ;(await waiting)()
    return { end: memory.capacity, most }
  }

  it('stay few where more bring nothing, or pass too slowly to be risked', async () => {
    expect(await settled(() => 400 * MiB, 10)).toEqual({ end: 20 * MiB, most: 40 * MiB })
    expect(await settled((capacity) => capacity / 2, 100)).toEqual({ end: 20 * MiB, most: 20 * MiB })
  })

  it('grow up to the budget on a long fat link', async () => {
    expect((await settled((capacity) => capacity * 5, 40)).end).toBe(96 * MiB)
  })

  it('of pieces that pass are as many as a run may lose, and no more than pass in a moment', async () => {
    const clock = new FakeClock()
    const memory = new Semaphore(20 * MiB)
    const inFlight = new InFlight(memory, 96 * MiB, clock)
    const size = 16 * MiB
    inFlight.hold(size)
    /** Pieces at a time after so many more of them, of which one comes every so often. */
    const piecesAfter = async (pieces: number, everyMs: number): Promise<number> => {
      for (let i = 0; i < pieces; i++) {
        await clock.advance(everyMs)
        inFlight.passed(size)
      }
      return Math.floor(memory.capacity / inFlight.weightOf(size))
    }
    expect(await piecesAfter(0, 0)).toBe(2)
    expect(await piecesAfter(20, 25)).toBe(2)
    expect(await piecesAfter(4, 25)).toBe(4)
    expect(await piecesAfter(100, 25)).toBe(8)
    expect(await piecesAfter(20, 100)).toBe(5)
    expect(await piecesAfter(20, 1000)).toBe(2)
    // Small ones never weigh more than they are.
    expect(inFlight.weightOf(MiB)).toBe(MiB)
  })
})
