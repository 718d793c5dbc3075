import type { HealthTrouble } from '@stowage/core'
import type { RouteHealth } from '../world.ts'
import { isEjected } from './reduce.ts'
import { type HealthOptions, type HealthSettings, type HealthState, healthDefaults } from './state.ts'

/** Behind everything that serves: what would be ejected if others were left. */
const LAST_TIER = 2

/** So many times the time of a return, without a try, and all keys try a source out: where nobody is, nobody can come all at once. */
const UNTRIED = 10

/**
 * A source's health as routing sees it at this moment: unhealthy while it is ejected or its credentials are refused; in tier 1, after the
 * others, while it throttles us or fails often; else in tier 0. Half open, and for some time after it came back, it admits only a part of
 * the keys.
 *
 * @param now milliseconds since the epoch
 */
export function healthOf(
  state: Readonly<HealthState> | undefined,
  now: number,
  options: HealthOptions = {},
): RouteHealth {
  if (state === undefined) return { healthy: true, tier: 0 }
  const settings: HealthSettings = { ...healthDefaults, ...options }
  const healthy = !state.broken && !isEjected(state, now)
  const throttled = state.throttledUntil !== undefined && now < state.throttledUntil
  // Half open, the errors that had it ejected are paid for: those who try it out take it as it is.
  // What was not asked for long may be well again, and only being asked shows it.
  const isRecent = now - (state.lastCheckedAt ?? Number.NEGATIVE_INFINITY) < settings.ejectionMs
  const failsOften = state.ejectedUntil === undefined && isRecent && state.errorRate >= settings.degradedErrorRate
  const degraded = throttled || failsOften
  const admit = healthy ? admitted(state, now, settings) : 1
  return {
    healthy,
    tier: degraded ? 1 : 0,
    ...(admit < 1 ? { admit } : {}),
    ...(state.latencyMs === undefined ? {} : { latencyMs: state.latencyMs }),
    ...(state.lastCheckedAt === undefined ? {} : { lastCheckedAt: state.lastCheckedAt }),
    ...((healthy && !degraded && admit === 1) || state.code === undefined ? {} : { code: state.code }),
    ...troubleOf(state, now, settings, { throttled, failsOften, admit }),
  }
}

/** What is wrong, since when, and when it is tried again. */
function troubleOf(
  state: Readonly<HealthState>,
  now: number,
  { rampMs, ejectionMs }: HealthSettings,
  seen: { throttled: boolean; failsOften: boolean; admit: number },
): Pick<RouteHealth, 'trouble' | 'since' | 'retryAt'> {
  const told = (trouble: HealthTrouble, since?: number, retryAt?: number): ReturnType<typeof troubleOf> => ({
    trouble,
    ...(since === undefined ? {} : { since }),
    ...(retryAt === undefined ? {} : { retryAt }),
  })
  if (state.broken) return told('refused', state.since ?? state.brokenAt)
  if (isEjected(state, now)) return told('ejected', state.since ?? state.lastEjectionAt, state.ejectedUntil)
  if (seen.throttled) return told('throttled', state.since, state.throttledUntil)
  if (seen.failsOften) return told('failing', state.since, (state.lastCheckedAt ?? now) + ejectionMs)
  if (state.ejectedUntil !== undefined) return told('on-trial', state.since ?? state.lastEjectionAt)
  if (seen.admit < 1) return told('returning', state.recoveredAt, (state.recoveredAt ?? now) + rampMs)
  return {}
}

/**
 * The health of all sources that could serve, for the world of a decision. As {@link healthOf} of each, except that never more than
 * `maxEjected` of them are ejected, one at least and never the last: when nearly all fail, the fault is hardly theirs, and an answer from
 * somewhere is better than none. Those with the fewest ejections serve on, in the last tier.
 *
 * @param states by source id; `undefined` for a source of which nothing is known
 * @param now milliseconds since the epoch
 *
 * @example
 * ```ts
 * const health = healthOfAll({ lan: reduceHealth(undefined, outcome, now), oss: undefined }, now)
 * decide(rules, request, { sources, health, now })
 * ```
 */
export function healthOfAll(
  states: Readonly<Record<string, Readonly<HealthState> | undefined>>,
  now: number,
  options: HealthOptions = {},
): Record<string, RouteHealth> {
  const { maxEjected } = { ...healthDefaults, ...options }
  const able = Object.entries(states).filter(([, state]) => state?.broken !== true)
  const ejected = able.flatMap(([id, state]) => (state !== undefined && isEjected(state, now) ? [{ id, state }] : []))
  const most = Math.min(Math.max(1, Math.floor(able.length * maxEjected)), able.length - 1)
  const serveOn = ejected
    .sort((a, b) => a.state.ejections - b.state.ejections || (a.state.ejectedUntil ?? 0) - (b.state.ejectedUntil ?? 0))
    .slice(0, Math.max(0, ejected.length - most))
  const all = Object.fromEntries(Object.entries(states).map(([id, state]) => [id, healthOf(state, now, options)]))
  for (const { id } of serveOn) all[id] = { ...all[id], healthy: true, tier: LAST_TIER }
  return all
}

/** The part of keys for which the source counts as it is. */
function admitted(state: Readonly<HealthState>, now: number, { trial, rampMs }: HealthSettings): number {
  if (state.ejectedUntil !== undefined) {
    const waited = now - state.ejectedUntil
    return Math.min(1, Math.max(trial, rampMs > 0 ? waited / (UNTRIED * rampMs) : 1))
  }
  if (state.recoveredAt === undefined || now < state.recoveredAt) return 1
  const since = now - state.recoveredAt
  return since >= rampMs ? 1 : Math.max(trial, since / rampMs)
}
