import { type ErrorCode, errorCodes, hasCode, type Random, StowageError, toStowageError } from '@stowage/core'
import { backoffMs } from '../flow/index.ts'
import type { SyncResult } from '../run/index.ts'
import type { QueueEntry } from './entry.ts'

/** Waits between the runs of a task that failed, in milliseconds. */
const backoff = { baseMs: 10_000, maxMs: 600_000 }
/** The least of them: what failed did so for all its tries within the run. */
const leastMs = 1000

/** Wait of a task that another run is at, unless that is known to end sooner, or that a newer worker must do, in milliseconds. */
const busyMs = 5000
const newerMs = 60_000

/** How a run of a task ended. */
export type Ended = { result: SyncResult } | { error: unknown }

interface Failure {
  code: ErrorCode
  message: string
  retryable: boolean
  retryAfterMs?: number
}

/** What comes next for a task after a run of it. */
export function nextState(
  entry: QueueEntry,
  ended: Ended,
  now: number,
  random: Random,
  clean: (words: string) => string,
): Partial<QueueEntry> {
  const busy = (ms = busyMs): Partial<QueueEntry> => wait(Math.round(Math.min(ms, busyMs) * (0.5 + random.next())))
  const wait = (ms: number): Partial<QueueEntry> => {
    if (entry.asked === 'pause') return { state: 'paused', since: now }
    return { ...waiting(now, ms), ...(entry.asked === 'cancel' ? { asked: 'cancel' } : {}) }
  }
  if ('result' in ended && ended.result.status !== 'failed') {
    const { status } = ended.result
    if (status === 'success') return { state: 'done', since: now }
    if (status === 'cancelled') return { state: 'cancelled', since: now }
    // Another run has it, and nothing was left to help with.
    if (status === 'helped') return busy()
    return wait(0)
  }
  if ('error' in ended && hasCode(ended.error, 'aborted')) return wait(0)
  if ('error' in ended && hasCode(ended.error, 'lease-held', 'lease-lost')) return busy(ended.error.retryAfterMs)
  if ('error' in ended && hasCode(ended.error, 'newer-format')) return wait(newerMs)
  const failure = failureOf(ended)
  const reason = { code: failure.code, message: clean(failure.message) }
  const attempts = entry.attempts + 1
  if (!failure.retryable || attempts >= entry.maxAttempts) {
    // It has thrown away what it had begun, as one that is cancelled does, and nobody wants it to be tried again.
    if (entry.asked === 'cancel') return { state: 'cancelled', since: now, attempts }
    return { state: 'dead', since: now, attempts, reason }
  }
  return { ...wait(Math.max(leastMs, backoffMs(attempts, backoff, random, failure.retryAfterMs))), attempts, reason }
}

/** A task that waits from now on. */
export function waiting(now: number, delayMs: number): Partial<QueueEntry> {
  return { state: 'waiting', since: now, dueAt: now + delayMs, delayed: delayMs > 0 }
}

function failureOf(ended: Ended): Failure {
  if ('error' in ended) {
    const { code, message, retryable, retryAfterMs } = toStowageError(ended.error)
    return { code, message, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  }
  const { error, errors, objects } = ended.result
  if (error !== undefined) return { ...error, retryable: mayPass(error.code) }
  // Some objects failed: another run is worth it when at least one of them may succeed then.
  const first = errors.find(({ code }) => mayPass(code)) ?? errors[0]
  const code = knownCode(first?.code ?? 'internal')
  const more = objects.failed + objects.conflicts
  return {
    code,
    message: `${more} objects failed${first === undefined ? '' : `, such as "${first.key}": ${first.message}`}.`,
    retryable: first !== undefined && mayPass(first.code),
  }
}

function mayPass(code: string): boolean {
  return new StowageError(knownCode(code), '').retryable
}

/** The code of a record, which a later version may have written. */
export function knownCode(code: string | undefined): ErrorCode {
  return errorCodes.find((known) => known === code) ?? 'internal'
}
