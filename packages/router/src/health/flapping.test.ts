import { expect, test } from 'vitest'
import { decide } from '../decide/index.ts'
import { compileRules } from '../rules/index.ts'
import type { RouteSource } from '../world.ts'
import { reduceHealth } from './reduce.ts'
import type { HealthOutcome, HealthState } from './state.ts'
import { healthOfAll } from './view.ts'

const base = { type: 's3', isPublic: true, weight: 1, enabled: true } satisfies Partial<RouteSource>
/** The better one by its priority; the other never fails. */
const sources: RouteSource[] = [
  { ...base, id: 'flapping', priority: 1 },
  { ...base, id: 'steady', priority: 2 },
]
const rules = compileRules({ defaults: false })
const seconds = 1000

/** A world of one router, with a clock of its own. */
class Simulation {
  now = 0
  states: Record<string, HealthState | undefined> = { flapping: undefined, steady: undefined }
  readonly isUp: (now: number) => boolean

  constructor(isUp: (now: number) => boolean) {
    this.isUp = isUp
  }

  first(userId: string): string {
    const health = healthOfAll(this.states, this.now)
    const request = { purpose: 'read', actor: { userId } } as const
    return decide(rules, request, { sources, health, now: this.now }).candidates[0]?.sourceId ?? ''
  }

  call(id: string, probe = false): void {
    const ok = id === 'steady' || this.isUp(this.now)
    const outcome: HealthOutcome = ok ? { ok, probe, latencyMs: 5 } : { ok, probe, code: 'unavailable' }
    this.states[id] = reduceHealth(this.states[id], outcome, this.now, { seed: id })
  }
}

test('a source that is up for 2 s and down for 2 s makes for few switches, and ever fewer', () => {
  const simulation = new Simulation((now) => Math.floor(now / (2 * seconds)) % 2 === 1)
  const switches: number[] = []
  let failures = 0
  let before = ''
  for (const step = 50; simulation.now < 3600 * seconds; simulation.now += step) {
    const first = simulation.first('ada')
    if (before !== '' && first !== before) switches.push(simulation.now)
    before = first
    // A failed read goes on at the other source, and one that fails is not asked again before the next request.
    if (first === 'flapping' && !simulation.isUp(simulation.now)) failures++
    simulation.call(first)
    if (simulation.now % (5 * seconds) === 0) simulation.call('flapping', true)
  }
  const early = switches.filter((at) => at < 600 * seconds).length
  const late = switches.filter((at) => at >= 3000 * seconds).length
  process.stdout.write(
    `flapping every 2 s for an hour: ${switches.length} switches (${early} in the first 10 minutes, ${late} in the last), ${failures} failed first tries; without health 1,800 changes\n`,
  )
  expect(switches.length).toBeGreaterThan(1)
  expect(early).toBeLessThanOrEqual(14)
  expect(late).toBeLessThanOrEqual(6)
  expect(failures).toBeLessThanOrEqual(5 * switches.length)
})

test('when a source comes back, callers return to it little by little', () => {
  const simulation = new Simulation((now) => now >= 10 * seconds)
  for (let i = 0; i < 5; i++) simulation.call('flapping')
  const callers = Array.from({ length: 1000 }, (_, i) => `caller-${i}`)
  const there = (): number => callers.filter((caller) => simulation.first(caller) === 'flapping').length
  expect(there()).toBe(0)
  // Its time is over: a few try it out, and nobody else is hurt if it is still down.
  simulation.now = 40 * seconds
  const trials = there()
  expect(trials).toBeGreaterThan(0)
  expect(trials).toBeLessThan(100)
  simulation.call('flapping')
  const counts: number[] = []
  for (let second = 0; second <= 31; second++) {
    counts.push(there())
    simulation.now += seconds
  }
  process.stdout.write(`callers that came back, second by second: ${counts.join(' ')}\n`)
  const most = Math.max(...counts.map((count, i) => count - (counts[i - 1] ?? 0)))
  expect(most).toBeLessThan(100)
  expect(counts.at(-1)).toBe(1000)
  expect(counts).toEqual([...counts].sort((a, b) => a - b))
})

test('one of all may always be ejected, never the last, and never more than the set part', () => {
  const down = (ejections: number): HealthState => ({
    consecutiveErrors: 5,
    consecutiveDenials: 0,
    ejections,
    ejectedUntil: 1000 * ejections,
    broken: false,
    errorRate: 1,
    code: 'timeout',
  })
  const healthy = (states: Record<string, HealthState | undefined>, maxEjected?: number): string[] =>
    Object.entries(healthOfAll(states, 1, maxEjected === undefined ? {} : { maxEjected }))
      .filter(([, health]) => health.healthy)
      .map(([id]) => id)
  expect(healthy({ a: down(1) })).toEqual(['a'])
  expect(healthy({ a: down(1), b: undefined })).toEqual(['b'])
  expect(healthy({ a: down(2), b: down(1) })).toEqual(['b'])
  expect(healthOfAll({ a: down(2), b: down(1) }, 1)['b']).toMatchObject({ healthy: true, tier: 2, code: 'timeout' })
  expect(healthy({ a: down(1), b: down(2), c: down(3), d: undefined })).toEqual(['a', 'd'])
  expect(healthy({ a: down(1), b: down(2), c: down(3), d: down(4) }, 1)).toEqual(['a'])
  expect(healthy({ a: down(1), b: down(2), c: undefined }, 0)).toEqual(['a', 'c'])
  // What is broken is no matter of waiting: it does not count, and does not serve.
  expect(healthy({ a: { ...down(1), broken: true }, b: down(1) })).toEqual(['b'])
})
