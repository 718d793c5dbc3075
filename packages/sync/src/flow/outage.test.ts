import { StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { Outage, RunStop, retry } from './index.ts'

/** Some objects at a time against a store that takes calls and is silent for a minute each; when the run is ended, in milliseconds. */
async function endsAfter(limitMs: number, objects = 16): Promise<number | undefined> {
  const clock = new FakeClock()
  const random = seededRandom(1)
  const outage = new Outage(clock, random, limitMs)
  const began = clock.now()
  let ended: number | undefined
  const stop = new AbortController()
  const options = { clock, random, signal: stop.signal, attempts: 10, backoff: { baseMs: 100, maxMs: 1000 }, outage }
  const call = async (): Promise<void> => {
    await clock.sleep(60_000, stop.signal)
    throw new StowageError('timeout', 'no bytes moved', { retryable: true })
  }
  const all = Promise.all(
    Array.from({ length: objects }, () =>
      retry(call, options).catch((error: unknown) => {
        if (error instanceof RunStop) ended ??= clock.now() - began
        stop.abort()
      }),
    ),
  )
  await clock.advance(1_000_000)
  await all
  return ended
}

describe('a store that takes calls and is silent', () => {
  it('was down from when it was asked, not from when that was noticed', async () => {
    expect(await endsAfter(8_000)).toBe(60_000)
    expect(await endsAfter(60_000)).toBe(60_000)
  })

  it('is found out by few calls too', async () => {
    const [two, one] = [await endsAfter(8_000, 2), await endsAfter(8_000, 1)]
    expect(two).toBeGreaterThanOrEqual(120_000)
    expect(two).toBeLessThan(130_000)
    expect(one).toBeGreaterThanOrEqual(180_000)
    expect(one).toBeLessThan(190_000)
  })

  it('is waited for as long as the limit allows', async () => {
    const ended = await endsAfter(100_000)
    expect(ended).toBeGreaterThanOrEqual(120_000)
    expect(ended).toBeLessThan(130_000)
  })
})

describe('a store where nobody listens', () => {
  /** One object with three tries, whose store is away for so long. */
  async function copied(awayMs: number, limitMs: number, code: string): Promise<{ result: unknown; ms: number }> {
    const clock = new FakeClock()
    const random = seededRandom(1)
    const outage = new Outage(clock, random, limitMs)
    const began = clock.now()
    const { signal } = new AbortController()
    const cause = new Error('fetch failed', { cause: Object.assign(new Error('connect'), { code }) })
    const options = { clock, random, signal, attempts: 3, backoff: { baseMs: 100, maxMs: 1000 }, outage }
    const call = async (): Promise<string> => {
      if (clock.now() - began >= awayMs) return 'copied'
      throw new StowageError('unavailable', 'nothing answers there', { retryable: true, cause })
    }
    let ended: { result: unknown; ms: number } | undefined
    const work = retry(call, options)
      .catch((error: unknown) => error)
      .then((result) => {
        ended = { result, ms: clock.now() - began }
      })
    await clock.advance(1_000_000)
    await work
    return ended as unknown as { result: unknown; ms: number }
  }

  it('is waited for by a single object too, and costs it no try', async () => {
    expect(await copied(30_000, 60_000, 'ECONNREFUSED')).toMatchObject({ result: 'copied' })
    // What may be the object's own fault uses up its tries.
    expect(await copied(30_000, 60_000, 'ECONNRESET')).toMatchObject({ result: { code: 'unavailable' } })
  })

  it('ends the run when it stays away for longer than an outage may last', async () => {
    const { result, ms } = await copied(Number.POSITIVE_INFINITY, 60_000, 'ECONNREFUSED')
    expect(result).toBeInstanceOf(RunStop)
    expect(ms).toBeGreaterThanOrEqual(60_000)
    expect(ms).toBeLessThan(75_000)
  })
})
