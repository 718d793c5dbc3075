import { errorCodes } from '@stowage/core'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reduceHealth } from './reduce.ts'
import type { HealthOptions, HealthOutcome, HealthState } from './state.ts'
import { healthOf } from './view.ts'

const exact: HealthOptions = { jitter: 0 }
const fail: HealthOutcome = { ok: false, code: 'timeout' }
const ok: HealthOutcome = { ok: true, latencyMs: 10 }
const probe: HealthOutcome = { ok: true, probe: true }
const failedProbe: HealthOutcome = { ok: false, probe: true, code: 'unavailable' }

function after(outcomes: readonly HealthOutcome[], now = 0, state?: HealthState, options = exact): HealthState {
  return outcomes.reduce<HealthState | undefined>(
    (before, outcome) => reduceHealth(before, outcome, now, options),
    state,
  ) as HealthState
}

const five = [fail, fail, fail, fail, fail]

describe('ejection', () => {
  test('nothing known is healthy', () => {
    expect(healthOf(undefined, 0)).toEqual({ healthy: true, tier: 0 })
  })

  test('five failures in a row eject, for 30 seconds', () => {
    expect(healthOf(after(five.slice(1)), 0).healthy).toBe(true)
    const state = after(five)
    expect(healthOf(state, 0)).toMatchObject({ healthy: false, code: 'timeout', lastCheckedAt: 0 })
    expect(healthOf(state, 29_999).healthy).toBe(false)
    expect(healthOf(state, 30_000)).toMatchObject({ healthy: true, tier: 0, admit: 0.05, code: 'timeout' })
  })

  test('a success in between begins the count anew', () => {
    expect(healthOf(after([fail, fail, fail, fail, ok, fail, fail, fail, fail]), 0).healthy).toBe(true)
  })

  test('half open, one more failure ejects again and longer, up to five minutes', () => {
    let state = after(five)
    let now = 0
    const times: number[] = []
    for (let i = 0; i < 12; i++) {
      const until = state.ejectedUntil ?? 0
      times.push(until - now)
      now = until
      state = reduceHealth(state, fail, now, exact)
    }
    expect(times).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300].map((seconds) => seconds * 1000))
  })

  test('half open, a success closes the case', () => {
    const state = reduceHealth(after(five), ok, 30_000, exact)
    expect(healthOf(state, 30_000)).toMatchObject({ healthy: true, tier: 0, latencyMs: 10 })
    expect(healthOf(state, 30_000)).not.toHaveProperty('code')
    expect(healthOf(state, 45_000)).toMatchObject({ healthy: true, admit: 0.5 })
    expect(healthOf(state, 60_000)).not.toHaveProperty('admit')
    expect(healthOf(after(five.slice(1), 30_000, state), 30_000).healthy).toBe(true)
  })

  test('failures that come in while it is ejected do not make it longer', () => {
    const state = after(five)
    expect(after([...five, ...five], 100, state).ejectedUntil).toBe(state.ejectedUntil)
    expect(after([failedProbe], 100, state).ejectedUntil).toBe(state.ejectedUntil)
  })

  test('a passing probe brings it back the first time at once; a call that was under way does not', () => {
    const state = after(five)
    expect(healthOf(reduceHealth(state, ok, 100, exact), 100).healthy).toBe(false)
    expect(healthOf(reduceHealth(state, probe, 100, exact), 100)).toMatchObject({ healthy: true, tier: 0 })
  })

  test('once it was ejected again, a passing probe brings it back only after as long as the time before', () => {
    const again = after([fail], 30_000, after(five))
    expect(again.ejectedUntil).toBe(90_000)
    expect(healthOf(reduceHealth(again, probe, 59_999, exact), 59_999).healthy).toBe(false)
    expect(healthOf(reduceHealth(again, probe, 60_000, exact), 60_000).healthy).toBe(true)
  })

  test('two failed probes in a row are enough', () => {
    expect(healthOf(after([failedProbe]), 0).healthy).toBe(true)
    expect(healthOf(after([failedProbe, failedProbe]), 0).healthy).toBe(false)
    expect(healthOf(after([failedProbe, probe, failedProbe]), 0).healthy).toBe(true)
  })

  test('ejections are forgiven one by one as it stays well', () => {
    let state = after([fail], 30_000, after(five))
    expect(state.ejections).toBe(2)
    state = reduceHealth(state, probe, 60_000, exact)
    expect(state.ejections).toBe(2)
    state = reduceHealth(state, ok, 89_999, exact)
    expect(state.ejections).toBe(2)
    state = reduceHealth(state, ok, 90_000, exact)
    expect(state.ejections).toBe(1)
    state = reduceHealth(state, ok, 90_001, exact)
    expect(state.ejections).toBe(1)
    state = reduceHealth(state, ok, 120_000, exact)
    state = reduceHealth(state, ok, 150_000, exact)
    expect(state.ejections).toBe(0)
  })

  test('jitter makes it shorter by up to its part, the same for one seed', () => {
    const times = new Set<number>()
    for (let i = 0; i < 50; i++) {
      const { ejectedUntil = 0 } = after(five, 0, undefined, { seed: `process-${i}` })
      expect(ejectedUntil).toBeGreaterThanOrEqual(27_000)
      expect(ejectedUntil).toBeLessThanOrEqual(30_000)
      expect(after(five, 0, undefined, { seed: `process-${i}` }).ejectedUntil).toBe(ejectedUntil)
      times.add(ejectedUntil)
    }
    expect(times.size).toBeGreaterThan(40)
  })
})

describe('kinds of errors', () => {
  const many = (code: HealthOutcome['code'], extra: Partial<HealthOutcome> = {}) =>
    after(Array.from({ length: 50 }, () => ({ ok: false, ...(code === undefined ? {} : { code }), ...extra })))

  test('only transport, timeouts and 5xx eject', () => {
    const ejecting = errorCodes.filter((code) => many(code).ejectedUntil !== undefined)
    expect(ejecting).toEqual(['unavailable', 'timeout'])
    expect(many(undefined).ejectedUntil).toBeDefined()
  })

  test('only credentials and a missing bucket break a source otherwise', () => {
    expect(errorCodes.filter((code) => many(code).broken)).toEqual(['bucket-not-found', 'access-denied'])
  })

  test('a missing object is an answer: it ends a row of failures and leaves the source well', () => {
    const missing: HealthOutcome = { ok: false, code: 'not-found' }
    expect(healthOf(after([fail, fail, fail, fail, missing, fail]), 0).healthy).toBe(true)
    expect(healthOf(many('not-found'), 0)).toMatchObject({ healthy: true, tier: 0 })
  })

  test('what Stowage itself gave up says nothing', () => {
    const state = after([fail, fail])
    expect(after([{ ok: false, code: 'aborted' }], 5, state)).toEqual(state)
  })

  test('refused credentials make it unhealthy until a call works, however long that takes', () => {
    const denied: HealthOutcome = { ok: false, code: 'access-denied' }
    expect(healthOf(after([denied, denied]), 0).healthy).toBe(true)
    const state = after([denied, denied, denied])
    expect(healthOf(state, 1e9)).toMatchObject({ healthy: false, code: 'access-denied' })
    expect(healthOf(reduceHealth(state, fail, 1, exact), 1)).toMatchObject({ healthy: false })
    expect(healthOf(reduceHealth(state, ok, 1, exact), 1)).toMatchObject({ healthy: true, tier: 0 })
  })

  test('one refused probe is enough', () => {
    expect(healthOf(after([{ ok: false, probe: true, code: 'access-denied' }]), 0)).toMatchObject({
      healthy: false,
      code: 'access-denied',
    })
    expect(healthOf(after([{ ok: false, code: 'bucket-not-found' }]), 0)).toMatchObject({
      healthy: false,
      code: 'bucket-not-found',
    })
  })

  test('throttling spares a source and does not eject it', () => {
    const state = many('throttled')
    expect(healthOf(state, 9_999)).toMatchObject({ healthy: true, tier: 1, code: 'throttled' })
    expect(healthOf(state, 10_000)).toEqual({ healthy: true, tier: 0, lastCheckedAt: 0 })
    const asked = after([{ ok: false, code: 'throttled', retryAfterMs: 60_000 }])
    expect(healthOf(reduceHealth(asked, ok, 1, exact), 59_999).tier).toBe(1)
    expect(healthOf(reduceHealth(asked, ok, 60_000, exact), 60_000).tier).toBe(0)
  })

  test('failing often without a row comes after the others', () => {
    const flaky = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? fail : ok))
    expect(healthOf(after(flaky), 0)).toMatchObject({ healthy: true, tier: 1 })
    expect(healthOf(after([...flaky, ...Array.from({ length: 10 }, () => ok)]), 0).tier).toBe(0)
  })
})

test('latency is smoothed', () => {
  expect(after([ok]).latencyMs).toBe(10)
  expect(after([ok, { ok: true, latencyMs: 110 }]).latencyMs).toBe(30)
  expect(after([ok, { ok: true }]).latencyMs).toBe(10)
})

test('whatever happened, five minutes and a passing probe make it healthy, and the state before is not changed', () => {
  const outcome: fc.Arbitrary<HealthOutcome> = fc.record(
    {
      ok: fc.boolean(),
      code: fc.constantFrom(...errorCodes),
      probe: fc.boolean(),
      latencyMs: fc.nat(1000),
      retryAfterMs: fc.nat(1000),
    },
    { requiredKeys: ['ok'], noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(outcome, fc.nat(100_000)), { maxLength: 40 }), (events) => {
      let state: HealthState | undefined
      let now = 0
      for (const [each, wait] of events) {
        now += wait
        const frozen = state === undefined ? undefined : Object.freeze(state)
        state = reduceHealth(frozen, each, now)
        expect(JSON.parse(JSON.stringify(state))).toEqual(state)
        expect(state.ejectedUntil ?? now).toBeLessThanOrEqual(now + 300_000)
        expect(state.errorRate).toBeGreaterThanOrEqual(0)
        expect(state.errorRate).toBeLessThanOrEqual(1)
        expect(state.ejections).toBeGreaterThanOrEqual(0)
      }
      const later = now + 300_000
      expect(healthOf(reduceHealth(state, probe, later), later).healthy).toBe(true)
    }),
    { numRuns: runs(300, 10_000), seed: testSeed() },
  )
})
