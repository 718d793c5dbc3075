import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HealthNews, mergeNews, newsOf, takeNews } from './news.ts'
import { reduceHealth } from './reduce.ts'
import type { HealthState } from './state.ts'
import { healthOf } from './view.ts'

const seconds = 1000
const failure = { ok: false, code: 'timeout' } as const

function after(outcomes: [at: number, ok: boolean, probe?: boolean][], state?: HealthState): HealthState {
  let now = state
  for (const [at, ok, probe = false] of outcomes) {
    now = reduceHealth(now, ok ? { ok, probe } : { ...failure, probe }, at, { jitter: 0 })
  }
  return now as HealthState
}

const fails = (at: number): [number, boolean][] => Array.from({ length: 5 }, () => [at, false])
const isHealthy = (state: HealthState, now: number): boolean => healthOf(state, now).healthy

const time = fc.integer({ min: 0, max: 5 })
const ill = { code: fc.option(fc.constantFrom('timeout', 'unavailable'), { nil: undefined }) }
const news: fc.Arbitrary<HealthNews> = fc.record(
  {
    ejection: fc.record(
      { at: time, ejections: fc.integer({ min: 0, max: 2 }), until: time, ...ill },
      { requiredKeys: ['at', 'ejections'] },
    ),
    refusal: fc.record(
      { at: time, refused: fc.constantFrom(true, false), ...ill },
      { requiredKeys: ['at', 'refused'] },
    ),
    throttle: fc.record({ at: time, ...ill }, { requiredKeys: ['at'] }),
    flow: fc.record(
      { at: time, errorRate: fc.constantFrom(0, 0.5, 1), latencyMs: time },
      { requiredKeys: ['at', 'errorRate'] },
    ),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<HealthNews>

test('views come together to the same in any order and however often', () => {
  fc.assert(
    fc.property(news, news, news, (a, b, c) => {
      expect(mergeNews(a, b)).toEqual(mergeNews(b, a))
      expect(mergeNews(mergeNews(a, b), c)).toEqual(mergeNews(a, mergeNews(b, c)))
      expect(mergeNews(a, a)).toEqual(mergeNews(a, {}))
    }),
  )
})

test('an ejection is not undone by a success before it, nor by one after it of who did not know of it', () => {
  const ejected = after(fails(10 * seconds))
  for (const at of [9 * seconds, 12 * seconds]) {
    const served = after([[at, true]])
    const both = mergeNews(newsOf(served), newsOf(ejected))
    expect(both.ejection?.until).toBe(40 * seconds)
    expect(isHealthy(takeNews(undefined, both, 13 * seconds), 13 * seconds)).toBe(false)
  }
})

test('a process takes an ejection over, unless the source has served it since', () => {
  const heard = newsOf(after(fails(10 * seconds)))
  const taken = takeNews(after([[9 * seconds, true]]), heard, 11 * seconds)
  expect(healthOf(taken, 11 * seconds)).toMatchObject({
    healthy: false,
    code: 'timeout',
    trouble: 'ejected',
    since: 10 * seconds,
    retryAt: 40 * seconds,
  })
  expect(isHealthy(takeNews(after([[10.5 * seconds, true]]), heard, 11 * seconds), 11 * seconds)).toBe(true)
  // Somebody who starts now knows at once.
  expect(isHealthy(takeNews(undefined, heard, 20 * seconds), 20 * seconds)).toBe(false)
})

test('the end of an ejection is taken over, and everybody comes back little by little', () => {
  const ejected = after(fails(10 * seconds))
  const other = takeNews(undefined, newsOf(ejected), 11 * seconds)
  const back = after([[15 * seconds, true, true]], ejected)
  const taken = takeNews(other, mergeNews(newsOf(other), newsOf(back)), 16 * seconds)
  expect(healthOf(taken, 16 * seconds)).toMatchObject({ healthy: true, trouble: 'returning', retryAt: 45 * seconds })
  expect(taken.code).toBeUndefined()
  // The older ejection, told again, changes nothing.
  expect(takeNews(taken, newsOf(ejected), 17 * seconds)).toEqual(taken)
})

test('a refusal is taken over while it is new, and mended by a later success', () => {
  const refused = reduceHealth(undefined, { ok: false, code: 'access-denied', probe: true }, 10 * seconds)
  const heard = newsOf(refused)
  const taken = takeNews(undefined, heard, 11 * seconds)
  expect(healthOf(taken, 11 * seconds)).toMatchObject({ healthy: false, trouble: 'refused', code: 'access-denied' })
  expect(isHealthy(takeNews(undefined, heard, 400 * seconds), 400 * seconds)).toBe(true)
  expect(isHealthy(takeNews(after([[11 * seconds, true]]), heard, 12 * seconds), 12 * seconds)).toBe(true)
  const mended = reduceHealth(refused, { ok: true, probe: true }, 20 * seconds)
  expect(healthOf(takeNews(taken, newsOf(mended), 21 * seconds), 21 * seconds)).toMatchObject({
    healthy: true,
    tier: 0,
  })
})

test('throttling and latency are taken over by who knows nothing newer', () => {
  const slow = reduceHealth(
    reduceHealth(undefined, { ok: true, latencyMs: 400 }, 1 * seconds),
    { ok: false, code: 'throttled', retryAfterMs: 20 * seconds },
    2 * seconds,
  )
  const taken = takeNews(undefined, newsOf(slow), 3 * seconds)
  expect(healthOf(taken, 3 * seconds)).toMatchObject({ healthy: true, tier: 1, trouble: 'throttled', latencyMs: 400 })
  expect(healthOf(taken, 23 * seconds)).toMatchObject({ healthy: true, tier: 0 })
  const own = reduceHealth(undefined, { ok: true, latencyMs: 5 }, 5 * seconds)
  expect(takeNews(own, newsOf(slow), 6 * seconds).latencyMs).toBe(5)
})

test('what is written as JSON and read again says the same', () => {
  const states = [after(fails(10)), after([...fails(10), [50_000, true]]), after([[1, true]])]
  for (const state of states) expect(JSON.parse(JSON.stringify(newsOf(state)))).toEqual(newsOf(state))
})
