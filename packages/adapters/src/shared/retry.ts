import { type AttemptCounts, type Clock, hasCode, type Random, StowageError } from '@stowage/core'
import pRetry from 'p-retry'

const firstPauseMs = 100
const longestPauseMs = 5_000
/** A store that asks for more patience than this gets it from the caller, not from one request. */
const longestRetryAfterMs = 20_000
/** A store that was silent for so long is not waited for again within one request: the caller knows whether that makes sense. */
const longestSilenceMs = 60_000

/** How a request is tried again. */
export interface RetryOptions {
  /** The first included. */
  attempts: number
  clock: Clock
  random: Random
  signal?: AbortSignal | undefined
  /**
   * Whether a request whose answer was lost may be sent again. A conditional write may not: it may have worked, and would then fail
   * on its own object.
   */
  repeatable: boolean
  /** Counts what is sent again and what was refused. */
  counts?: Writable<AttemptCounts> | undefined
}

type Writable<T> = { -readonly [name in keyof T]: T[name] }

/** Counts from nothing. */
export function noAttempts(): Writable<AttemptCounts> {
  return { repeated: 0, throttled: 0 }
}

/** Sends a request, and again when that can help: with growing pauses of random length, or as long as the store asks. */
export async function withRetries<T>(send: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, clock, random, signal, repeatable, counts } = options
  const began = clock.now()
  let first: unknown
  try {
    // Nearly all go well at once: what watches over repetitions is made for those that do not.
    return await send(1)
  } catch (error) {
    first = error
  }
  return pRetry((attempt) => (attempt === 1 ? Promise.reject(first) : send(attempt)), {
    retries: attempts - 1,
    minTimeout: 0,
    maxTimeout: 0,
    onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
      if (counts !== undefined && hasCode(error, 'throttled')) counts.throttled++
      const pause = pauseAfter(error, attemptNumber, random)
      const silent = hasCode(error, 'timeout') && clock.now() - began >= longestSilenceMs
      if (retriesLeft === 0 || pause === undefined || silent || !mayRepeat(error, repeatable)) throw error
      if (counts !== undefined) counts.repeated++
      await clock.sleep(pause, signal)
    },
  })
}

function mayRepeat(error: Error, repeatable: boolean): boolean {
  // A store that throttles says that it did nothing.
  return StowageError.isInstance(error) && error.retryable && (repeatable || error.code === 'throttled')
}

/** Milliseconds to wait, or `undefined` when waiting here makes no sense. */
function pauseAfter(error: Error, attempt: number, random: Random): number | undefined {
  const asked = StowageError.isInstance(error) ? error.retryAfterMs : undefined
  if (asked !== undefined) return asked > longestRetryAfterMs ? undefined : asked
  return random.next() * Math.min(longestPauseMs, firstPauseMs * 2 ** attempt)
}
