import { type Clock, type Random, StowageError, toStowageError } from '@stowage/core'
import pRetry from 'p-retry'
import { type Backoff, backoffMs } from './backoff.ts'
import type { Outage } from './outage.ts'

/** Retries of all objects together, so that a sick store is not asked again and again for everything. */
export class RetryBudget {
  #operations = 0
  #retries = 0

  operation(): void {
    this.#operations++
  }

  /** Tries that were made again. */
  get retries(): number {
    return this.#retries
  }

  /** Takes one retry: at most a fifth of all operations, and ten that are always granted. */
  take(): boolean {
    if (this.#retries >= Math.max(10, this.#operations / 5)) return false
    this.#retries++
    return true
  }
}

/** What {@link retry} needs. */
export interface RetryOptions {
  clock: Clock
  random: Random
  signal: AbortSignal
  /** Tries in all. */
  attempts: number
  backoff: Backoff
  outage?: Outage
  budget?: RetryBudget
  /** Errors that another try of the same cannot help, although they are retryable. */
  final?: (error: StowageError) => boolean
}

/** Ends the whole run: every further object would fail in the same way. */
export class RunStop extends Error {
  readonly error: StowageError

  constructor(error: StowageError) {
    super(error.message, { cause: error })
    this.error = error
  }
}

/**
 * Calls `work` until it succeeds, fails in a way that cannot get better, or has used up its tries.
 * @throws RunStop when the store is down for too long; otherwise the last StowageError
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, random, signal, outage, budget } = options
  budget?.operation()
  let spent = 0
  let wait = 0
  let began = 0
  let verdict: 'try-again' | 'outage' | 'give-up' = 'try-again'
  return await pRetry(
    async (attempt) => {
      await outage?.ready(signal)
      if (wait > 0) await clock.sleep(wait, signal)
      began = clock.now()
      try {
        const result = await work(attempt)
        outage?.success()
        return result
      } catch (thrown) {
        if (thrown instanceof RunStop) throw thrown
        throw toStowageError(thrown, signal)
      }
    },
    {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 0,
      onFailedAttempt: ({ error }) => {
        if (!StowageError.isInstance(error) || signal.aborted || !error.retryable || options.final?.(error) === true)
          throw error
        verdict = outage?.failure(error, began) ?? 'try-again'
        if (verdict === 'give-up') throw new RunStop(error)
        if (verdict === 'outage') {
          wait = 0
          return
        }
        spent++
        if (spent >= options.attempts || budget?.take() === false) throw error
        wait = backoffMs(spent, options.backoff, random, error.retryAfterMs)
      },
    },
  )
}
