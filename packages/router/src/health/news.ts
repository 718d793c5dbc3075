import type { ErrorCode } from '@stowage/core'
import { type HealthOptions, type HealthState, healthDefaults, unknownHealth } from './state.ts'

/** Why, and since when, as far as that is known. */
interface Ill {
  code?: ErrorCode
  since?: number
}

/**
 * What of a source's health concerns other processes: four parts, each with the time of its evidence in milliseconds since the epoch. Plain
 * data. Of two of one part the newer is right, so that they can be put together in any order and any number of times.
 */
export interface HealthNews {
  /** The newest ejection, end of one, or forgiveness. Ejected as long as `until` is there. */
  ejection?: { at: number; ejections: number; until?: number; recoveredAt?: number } & Ill
  /** Whether it refuses our credentials, or its bucket is gone. */
  refusal?: { at: number; refused: boolean } & Ill
  /** Until when it is spared because it throttled somebody. */
  throttle?: { at: number } & Ill
  /** What is smoothed over calls. */
  flow?: { at: number; errorRate: number; latencyMs?: number }
}

/** What others should know of a source. */
export function newsOf(state: Readonly<HealthState>): HealthNews {
  const { lastEjectionAt, ejections, ejectedUntil, recoveredAt, throttledUntil, lastCheckedAt, errorRate } = state
  const { broken, brokenAt, lastOkAt, latencyMs, code, since } = state
  const ill: Ill = defined({ code, since })
  const refusedAt = broken ? brokenAt : lastOkAt
  return defined({
    ejection:
      lastEjectionAt === undefined
        ? undefined
        : defined({
            at: lastEjectionAt,
            ejections,
            until: ejectedUntil,
            recoveredAt,
            ...(ejectedUntil === undefined ? {} : ill),
          }),
    refusal: refusedAt === undefined ? undefined : { at: refusedAt, refused: broken, ...(broken ? ill : {}) },
    throttle: throttledUntil === undefined ? undefined : { at: throttledUntil, ...ill },
    flow: lastCheckedAt === undefined ? undefined : defined({ at: lastCheckedAt, errorRate, latencyMs }),
  })
}

/**
 * Two views of one source as one: of each part the newer. So an ejection is not undone by an older success, nor by one of a process that did
 * not know of it; the end of an ejection undoes it, since that is newer.
 */
export function mergeNews(a: HealthNews, b: HealthNews): HealthNews {
  return defined({
    ejection: newer(a.ejection, b.ejection),
    refusal: newer(a.refusal, b.refusal),
    throttle: newer(a.throttle, b.throttle),
    flow: newer(a.flow, b.flow),
  })
}

/**
 * What a process knows of a source after it heard what others saw. Newer evidence wins, and its own counts: whom the source has served since
 * does not take an ejection over, nor a refusal. A refusal is believed for the time of the longest ejection; what starts later, perhaps with
 * other keys, finds out by itself.
 *
 * @param own what it knew, `undefined` for nothing
 * @param now milliseconds since the epoch
 */
export function takeNews(
  own: Readonly<HealthState> | undefined,
  { ejection, refusal, throttle, flow }: HealthNews,
  now: number,
  options: HealthOptions = {},
): HealthState {
  const { maxEjectionMs } = { ...healthDefaults, ...options }
  const state: HealthState = { ...(own ?? unknownHealth) }
  const servedAt = own?.lastOkAt ?? Number.NEGATIVE_INFINITY
  let healed = false
  if (flow !== undefined && flow.at > (own?.lastCheckedAt ?? Number.NEGATIVE_INFINITY)) {
    state.errorRate = flow.errorRate
    state.lastCheckedAt = flow.at
    if (flow.latencyMs !== undefined) state.latencyMs = flow.latencyMs
  }
  if (ejection !== undefined && isNews(ejection.at, own?.lastEjectionAt)) {
    const { at, ejections, until, recoveredAt } = ejection
    if (until === undefined || at > servedAt) {
      state.ejections = ejections
      state.lastEjectionAt = at
      setOrDelete(state, 'ejectedUntil', until)
      setOrDelete(state, 'recoveredAt', recoveredAt)
      if (until !== undefined) Object.assign(state, illOf(ejection, state, at))
      else if (own?.ejectedUntil !== undefined) {
        healed = true
        Object.assign(state, { consecutiveErrors: 0, errorRate: 0 })
      }
    }
  }
  const isRefused = refusal?.refused === true && refusal.at > servedAt && isNews(refusal.at, own?.brokenAt)
  if (isRefused && now - refusal.at < maxEjectionMs) {
    Object.assign(state, { broken: true, brokenAt: refusal.at }, illOf(refusal, state, refusal.at))
  } else if (refusal?.refused === false && own?.broken === true && refusal.at > (own.brokenAt ?? 0)) {
    healed = true
    state.broken = false
    state.consecutiveDenials = 0
    delete state.brokenAt
  }
  if (throttle !== undefined && throttle.at > Math.max(now, own?.throttledUntil ?? 0)) {
    state.throttledUntil = throttle.at
    Object.assign(state, illOf(throttle, state, now))
  }
  if (healed && isQuiet(state, now)) {
    delete state.code
    delete state.since
  }
  return state
}

function isNews(at: number, known: number | undefined): boolean {
  return known === undefined || at > known
}

function isQuiet(state: HealthState, now: number): boolean {
  const throttled = state.throttledUntil !== undefined && now < state.throttledUntil
  return !state.broken && state.ejectedUntil === undefined && !throttled && state.consecutiveErrors === 0
}

function illOf(told: Ill, state: HealthState, at: number): Required<Ill> {
  return { code: told.code ?? 'unavailable', since: Math.min(state.since ?? at, told.since ?? at) }
}

/** The one of later evidence; of equal ones always the same, and rather the one that warns. */
function newer<T extends { at: number }>(a: T | undefined, b: T | undefined): T | undefined {
  if (a === undefined || b === undefined) return a ?? b
  if (a.at !== b.at) return a.at > b.at ? a : b
  return weight(a) >= weight(b) ? a : b
}

/** An order of what has the same time. */
function weight(part: object): string {
  const warns = 'until' in part || ('refused' in part && part.refused === true)
  return `${warns ? 1 : 0}${JSON.stringify(Object.entries(part).sort())}`
}

function setOrDelete<K extends 'ejectedUntil' | 'recoveredAt'>(
  state: HealthState,
  key: K,
  value: number | undefined,
): void {
  if (value === undefined) delete state[key]
  else state[key] = value
}

/** Without what is undefined: what is written as JSON and read again is equal to it. */
function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T
}
