import type { ErrorCode } from '@stowage/core'

/** How one call to a source, or one probe of it, ended. */
export interface HealthOutcome {
  ok: boolean
  /** When it failed: the error's code. */
  code?: ErrorCode
  /** It was a probe, which does what users do; only probes bring an ejected source back before its time. @defaultValue false */
  probe?: boolean
  /** How long it took, in milliseconds. */
  latencyMs?: number
  /** How long the source asked us to wait, in milliseconds. */
  retryAfterMs?: number
  /** Calls in a row that ended so, told at once: good ones are counted and not told one by one. @defaultValue 1 */
  times?: number
}

/** What is remembered of a source. Plain data; only `reduceHealth` makes another one. */
export interface HealthState {
  /** Failures of health (transport, timeout, 5xx) since the last answer. */
  consecutiveErrors: number
  /** Refusals of our credentials since the last call that worked. */
  consecutiveDenials: number
  /** Ejections that were not forgiven yet; each makes the next one longer. */
  ejections: number
  /** Until when it is ejected, in milliseconds since the epoch. Afterwards it is half open until a call ends. */
  ejectedUntil?: number
  /** Until when it is to be spared because it throttled us. */
  throttledUntil?: number
  /** It refuses our credentials, or its bucket is gone: waiting does not help. */
  broken: boolean
  /** When that was seen last. */
  brokenAt?: number
  /** Since when it is not well: the first failure of those that matter still. */
  since?: number
  /** The last failure's code while it matters. */
  code?: ErrorCode
  /** Share of failures of health, smoothed, 0 to 1. */
  errorRate: number
  /** Smoothed, in milliseconds. */
  latencyMs?: number
  lastCheckedAt?: number
  /** When a call or probe last worked. */
  lastOkAt?: number
  /** When an ejection last ended with a success. */
  recoveredAt?: number
  /** When an ejection was last added, ended or forgiven: of two views of a source the later one has the newer evidence. */
  lastEjectionAt?: number
}

/** How health is judged. Times in milliseconds. */
export interface HealthOptions {
  /** Failures in a row that eject a source. @defaultValue 5 */
  consecutiveErrors?: number
  /** Failed probes and failed calls in a row that eject a source when the last of them is a probe. @defaultValue 2 */
  consecutiveProbeErrors?: number
  /** Refused credentials in a row, in calls, that make a source unhealthy; in a probe one is enough. @defaultValue 3 */
  consecutiveDenials?: number
  /** Time of the first ejection; the n-th takes n times as long. @defaultValue 30000 */
  ejectionMs?: number
  /** Longest ejection. @defaultValue 300000 */
  maxEjectionMs?: number
  /** Part of the keys that try a source out when its ejection is over, above 0 and up to 1. @defaultValue 0.05 */
  trial?: number
  /** How long a source that came back takes to get all its keys again, so that not all callers return at once. @defaultValue 30000 */
  rampMs?: number
  /**
   * Part of all sources that may be ejected at the same time, 0 to 1. One always may, and the last never. Others serve on in the last tier.
   * @defaultValue 0.5
   */
  maxEjected?: number
  /** Part of an ejection's time that differs between processes, so that they do not all come back at once. @defaultValue 0.1 */
  jitter?: number
  /** What that part is computed from, such as the ids of the process and the source. @defaultValue '' */
  seed?: string
  /** How long a source is spared after it throttled us without saying. @defaultValue 10000 */
  throttleMs?: number
  /** Error rate from which a source comes after those that work well. @defaultValue 0.25 */
  degradedErrorRate?: number
}

/** Options with everything filled in. */
export type HealthSettings = Required<HealthOptions>

/** The defaults of {@link HealthOptions}. */
export const healthDefaults: Readonly<HealthSettings> = {
  consecutiveErrors: 5,
  consecutiveProbeErrors: 2,
  consecutiveDenials: 3,
  ejectionMs: 30_000,
  maxEjectionMs: 300_000,
  trial: 0.05,
  rampMs: 30_000,
  maxEjected: 0.5,
  jitter: 0.1,
  seed: '',
  throttleMs: 10_000,
  degradedErrorRate: 0.25,
}

/** A source of which nothing is known: healthy. */
export const unknownHealth: Readonly<HealthState> = {
  consecutiveErrors: 0,
  consecutiveDenials: 0,
  ejections: 0,
  broken: false,
  errorRate: 0,
}
