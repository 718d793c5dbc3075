import type { ErrorCode, StowageError } from '../errors/index.ts'

/**
 * The folder of a store's root in which probes read and write. It belongs to the adapters: no key may begin with it, and it is left out of
 * listings and of events.
 */
export const probeFolder = '.stowage-probe/'

/** Whether a key belongs to the probes and so to no user, such as one that a bucket's event names. */
export function isProbeKey(key: string): boolean {
  return key.startsWith(probeFolder)
}

export interface ProbeOptions {
  /** Ends it early. */
  signal?: AbortSignal
  /** The probe ends by then, with `timeout` when the store did not answer. @defaultValue 5000 */
  timeoutMs?: number
  /** Try writing and deleting too, and write the canary where it is missing. @defaultValue true, false for a read-only source */
  write?: boolean
}

/**
 * What kind of failure a check met:
 * - `transport`: nobody answers, the connection breaks, or no answer comes in time;
 * - `server`: the store answers that it fails (5xx), or with what cannot be understood;
 * - `throttle`: it asks for fewer requests;
 * - `credentials`: it does not know us, or does not let us;
 * - `missing`: the bucket or the root is not there;
 * - `integrity`: the bytes that came are not those that were written;
 * - `space`: it is full;
 * - `configuration`: an option is wrong, or something is not installed;
 * - `stopped`: the caller gave up, or the adapter is closed;
 * - `other`: anything else.
 */
export type ProbeFailure =
  | 'transport'
  | 'server'
  | 'throttle'
  | 'credentials'
  | 'missing'
  | 'integrity'
  | 'space'
  | 'configuration'
  | 'stopped'
  | 'other'

/** One thing that a probe tried. */
export interface ProbeCheck {
  /** `read`: a part of the canary; `write`: a small new object; `delete`: that object again. */
  name: 'read' | 'write' | 'delete'
  ok: boolean
  /** Milliseconds that it took. */
  latencyMs: number
  /** What was met on the way, such as that the canary is not there and may not be written. */
  note?: string
  /** Why it is not ok. */
  error?: StowageError
  failure?: ProbeFailure
}

/** What a probe found. A probe never throws for a store that is ill. */
export interface ProbeResult {
  /** The source serves. One that may not be written to, or is full, serves readers and is ok; see `writable`. */
  ok: boolean
  /** Milliseconds until the canary was read, or until the failure. */
  latencyMs: number
  /** What was tried, in order. */
  checks: ProbeCheck[]
  /** Whether something could be written. Absent where that was not tried. */
  writable?: boolean
  /** Why it is not ok. */
  error?: StowageError
  /** Its kind. */
  failure?: ProbeFailure
}

const failures: Partial<Record<ErrorCode, ProbeFailure>> = {
  timeout: 'transport',
  throttled: 'throttle',
  'access-denied': 'credentials',
  'bucket-not-found': 'missing',
  integrity: 'integrity',
  'no-space': 'space',
  configuration: 'configuration',
  aborted: 'stopped',
}

/** The kind of a failure, from the error that an adapter made of it. */
export function probeFailure(error: StowageError): ProbeFailure {
  // An answer of the store is told by its status; where there was none, nobody answered.
  if (error.code === 'unavailable') return /status \d|understood/.test(error.message) ? 'server' : 'transport'
  return failures[error.code] ?? 'other'
}
