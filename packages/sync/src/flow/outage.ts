import { type Clock, hasCode, type Random, type StowageError } from '@stowage/core'
import { backoffMs } from './backoff.ts'

/** How many failures in a row, over all objects, look like a store that is down rather than an object that is ill. */
const threshold = 8

/** How many are enough when the store was silent for longer than an outage may last: large objects fail one after the other then, a minute each. */
const silentThreshold = 3

/** Watches over silence end at the limit itself, and what went out last is noted a moment before it left: by so much it may be missed, in milliseconds. */
const slackMs = 1000

/**
 * A piece shows that its target lives when its bytes still go out after this share of the limit. Before, they may only fill what lies between
 * here and a target that is silent, and with every try again.
 */
const steadyShare = 1 / 2

/** Bytes alone, without one success among the failures, are believed for so many times the limit: a slow source can take long to fill what lies between. */
const longestPatience = 10

/** What a machine says where nobody listens, or that is not there. No object is to blame for that. */
const nobodyThere = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH'])

const backoff = { baseMs: 500, maxMs: 10_000 }

/**
 * Tells a store that is down from an object that is ill. Single failures use up the tries of their object. Many in a row, without one
 * success between them, are an outage, and so is one call that nobody was there to take: then tries are not used up, everybody waits behind one
 * gate, and when it lasts too long the run ends, instead of every object failing slowly by itself.
 */
export class Outage {
  readonly #clock: Clock
  readonly #random: Random
  readonly #limitMs: number
  #inRow = 0
  #since = 0
  /** When the first of the failures in a row came. */
  #failedAt = 0
  /** When bytes went out last that show a living store. */
  #movedAt = Number.NEGATIVE_INFINITY
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
   * Notes that bytes of a piece went out to the target. Those that were only read from the source are none: they say nothing of the target.
   * @param began when the first bytes of the piece did
   */
  alive(began: number): void {
    const now = this.#clock.now()
    if (now - began >= this.#limitMs * steadyShare) this.#movedAt = now
  }

  /**
   * Notes a failure: `try-again` spends one of the object's tries, `outage` does not, `give-up` ends the run.
   * @param began when the call began that failed: a store that is silent until a time limit was down all that time
   */
  failure(error: StowageError, began: number): 'try-again' | 'outage' | 'give-up' {
    if (!hasCode(error, 'unavailable', 'timeout', 'throttled')) return 'try-again'
    const now = this.#clock.now()
    const isSilence = error.code === 'timeout'
    if (this.#inRow === 0) {
      this.#since = isSilence ? Math.max(began, this.#succeeded) : now
      this.#failedAt = now
    }
    this.#inRow = isNobodyThere(error) ? Math.max(this.#inRow + 1, threshold) : this.#inRow + 1
    const isTooLong = this.#downFor(now) >= this.#limitMs - (isSilence ? Math.min(slackMs, this.#limitMs / 10) : 0)
    if (isTooLong && isSilence && this.#inRow >= silentThreshold) return 'give-up'
    if (this.#inRow < threshold) return 'try-again'
    if (isTooLong) return 'give-up'
    this.#openAt = Math.max(
      this.#openAt,
      now + Math.max(50, backoffMs(this.#inRow - threshold + 1, backoff, this.#random, error.retryAfterMs)),
    )
    return 'outage'
  }

  /** How long nothing has shown that the store lives, in milliseconds. */
  #downFor(now: number): number {
    const isBelieved = now - this.#failedAt < this.#limitMs * longestPatience
    return now - (isBelieved ? Math.max(this.#since, this.#movedAt) : this.#since)
  }
}

function isNobodyThere(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && nobodyThere.has(at.code)) return true
  }
  return false
}
