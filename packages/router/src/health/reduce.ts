import { hashText, toUnit } from '../hash/index.ts'
import { classifyError } from './classify.ts'
import {
  type HealthOptions,
  type HealthOutcome,
  type HealthSettings,
  type HealthState,
  healthDefaults,
  unknownHealth,
} from './state.ts'

/** Weight of the newest value in what is smoothed. */
const NEWEST = 0.2

/**
 * What is known of a source's health after one more call or probe. Pure: the state before, the outcome and the time give the state after.
 *
 * Failures in a row eject the source for a time that grows with every ejection and is forgiven as it stays well. When the time is over it is
 * half open: the next failure ejects it again, the next success closes the case. A passing probe brings it back before its time: after the
 * first ejection at once, later not before it was away as long as the time before, so that a source that comes and goes is left in peace.
 *
 * @param state what was known before, `undefined` for nothing
 * @param now milliseconds since the epoch
 *
 * @example
 * ```ts
 * let state = reduceHealth(undefined, { ok: false, code: 'timeout' }, clock.now())
 * const health = healthOf(state, clock.now()) // for the world of `decide`
 * ```
 */
export function reduceHealth(
  state: Readonly<HealthState> | undefined,
  outcome: HealthOutcome,
  now: number,
  options: HealthOptions = {},
): HealthState {
  const settings: HealthSettings = { ...healthDefaults, ...options }
  const before: HealthState = { ...(state ?? unknownHealth), lastCheckedAt: now }
  if (outcome.ok) return succeeded(before, outcome, now, settings)
  switch (classifyError(outcome.code)) {
    case 'failing':
      return failed(before, outcome, now, settings)
    case 'denied':
      return denied(before, outcome, now, settings)
    case 'gone':
      return { ...before, broken: true, brokenAt: now, ...ill(before, outcome, now) }
    case 'throttled':
      return {
        ...before,
        consecutiveErrors: 0,
        throttledUntil: now + (outcome.retryAfterMs ?? settings.throttleMs),
        ...ill(before, outcome, now),
      }
    case 'answered':
      return { ...before, consecutiveErrors: 0, errorRate: smooth(before.errorRate, 0, outcome.times) }
    case 'silent':
      return state === undefined ? { ...unknownHealth } : { ...state }
  }
}

/** True while the source is ejected. */
export function isEjected(state: Readonly<HealthState>, now: number): boolean {
  return state.ejectedUntil !== undefined && now < state.ejectedUntil
}

function succeeded(before: HealthState, outcome: HealthOutcome, now: number, settings: HealthSettings): HealthState {
  const after: HealthState = {
    ...before,
    consecutiveErrors: 0,
    consecutiveDenials: 0,
    broken: false,
    errorRate: smooth(before.errorRate, 0, outcome.times),
    lastOkAt: now,
  }
  delete after.brokenAt
  if (outcome.latencyMs !== undefined) {
    after.latencyMs = before.latencyMs === undefined ? outcome.latencyMs : smooth(before.latencyMs, outcome.latencyMs)
  }
  if (isEjected(before, now) && !endsEjection(before, outcome, now, settings)) return after
  if (before.ejectedUntil !== undefined) {
    delete after.ejectedUntil
    after.errorRate = 0
    after.lastEjectionAt = now
    after.recoveredAt = now
  } else if (after.ejections > 0 && now - (before.lastEjectionAt ?? now) >= settings.ejectionMs) {
    after.ejections -= 1
    after.lastEjectionAt = now
  }
  if (before.throttledUntil !== undefined && now >= before.throttledUntil) delete after.throttledUntil
  if (after.throttledUntil === undefined) {
    delete after.code
    if (after.errorRate < settings.degradedErrorRate) delete after.since
  }
  return after
}

/** A call that began before the ejection may end well only now; only a probe has just looked. */
function endsEjection(before: HealthState, outcome: HealthOutcome, now: number, settings: HealthSettings): boolean {
  if (outcome.probe !== true) return false
  return before.ejections < 2 || now - (before.lastEjectionAt ?? now) >= ejectionTime(before.ejections - 1, settings)
}

function failed(before: HealthState, outcome: HealthOutcome, now: number, settings: HealthSettings): HealthState {
  const after: HealthState = {
    ...before,
    consecutiveErrors: before.consecutiveErrors + 1,
    errorRate: smooth(before.errorRate, 1),
    ...ill(before, outcome, now),
  }
  // While it is ejected, calls that were under way come back with errors: they are no further offence. A probe's is no news either.
  if (isEjected(before, now)) return after
  const halfOpen = before.ejectedUntil !== undefined
  const limit = outcome.probe === true ? settings.consecutiveProbeErrors : settings.consecutiveErrors
  if (!halfOpen && after.consecutiveErrors < limit) return after
  after.ejections = before.ejections + 1
  after.ejectedUntil = now + ejectionTime(after.ejections, settings)
  after.lastEjectionAt = now
  return after
}

function denied(before: HealthState, outcome: HealthOutcome, now: number, settings: HealthSettings): HealthState {
  const consecutiveDenials = before.consecutiveDenials + 1
  // One refused call may be about one object (S3 answers 403 for a missing key to who may not list); a probe's object is known to be ours.
  const broken = before.broken || outcome.probe === true || consecutiveDenials >= settings.consecutiveDenials
  const seen = broken ? { broken, brokenAt: now } : {}
  return { ...before, consecutiveErrors: 0, consecutiveDenials, ...seen, ...ill(before, outcome, now) }
}

/** Grows by the same amount with every ejection, up to the longest one; then a part of it is spread by the seed. */
function ejectionTime(ejections: number, { ejectionMs, maxEjectionMs, jitter, seed }: HealthSettings): number {
  const time = Math.min(maxEjectionMs, ejectionMs * ejections)
  return Math.round(time * (1 - jitter * toUnit(hashText(`${seed}/${ejections}`))))
}

function ill(before: HealthState, outcome: HealthOutcome, now: number): Pick<HealthState, 'code' | 'since'> {
  return { code: outcome.code ?? 'unavailable', since: before.since ?? now }
}

function smooth(before: number, value: number, times = 1): number {
  return value + (before - value) * (1 - NEWEST) ** times
}
