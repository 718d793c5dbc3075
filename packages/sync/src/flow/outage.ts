import { type Clock, hasCode, type Random, type StowageError } from '@stowage/core'
import { backoffMs } from './backoff.ts'

/** How many failures in a row, over all objects, look like a store that is down rather than an object that is ill. */
const threshold = 8

/** How many are enough when the store was silent for longer than an outage may last: large objects fail one after the other then, a minute each. */
const silentThreshold = 3

const backoff = { baseMs: 500, maxMs: 10_000 }

/**
 * Tells a store that is down from an object that is ill. Single failures use up the tries of their object. Many in a row, without one
 * success between them, are an outage: then tries are not used up, everybody waits behind one gate, and when it lasts too long the
 * run ends, instead of every object failing slowly by itself.
 */
export class Outage {
  readonly #clock: Clock
  readonly #random: Random
  readonly #limitMs: number
  #inRow = 0
  #since = 0
  #succeeded = Number.NEGATIVE_INFINITY
  #openAt = 0

  /** @param limitMs how long an outage may last, in milliseconds */
  constructor(clock: Clock, random: Random, limitMs: number) {
    this.#clock = clock
    this.#random = random
    this.#limitMs = limitMs
  }

  /** Waits while the gate is closed. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#inRow >= threshold) {
      const wait = this.#openAt - this.#clock.now()
      if (wait <= 0) return
      await this.#clock.sleep(wait, signal)
    }
  }

  success(): void {
    this.#inRow = 0
    this.#succeeded = this.#clock.now()
  }

  /**
   * Notes a failure: `try-again` spends one of the object's tries, `outage` does not, `give-up` ends the run.
   * @param began when the call began that failed: a store that is silent until a time limit was down all that time
   */
  failure(error: StowageError, began: number): 'try-again' | 'outage' | 'give-up' {
    if (!hasCode(error, 'unavailable', 'timeout', 'throttled')) return 'try-again'
    const now = this.#clock.now()
    if (this.#inRow === 0) this.#since = error.code === 'timeout' ? Math.max(began, this.#succeeded) : now
    this.#inRow++
    const isTooLong = now - this.#since >= this.#limitMs
    if (isTooLong && error.code === 'timeout' && this.#inRow >= silentThreshold) return 'give-up'
    if (this.#inRow < threshold) return 'try-again'
    if (isTooLong) return 'give-up'
    this.#openAt = Math.max(
      this.#openAt,
      now + Math.max(50, backoffMs(this.#inRow - threshold + 1, backoff, this.#random, error.retryAfterMs)),
    )
    return 'outage'
  }
}
