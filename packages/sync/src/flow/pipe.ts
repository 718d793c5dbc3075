import type { Clock } from '@stowage/core'

/** How long the highest rate counts, in milliseconds. */
const rateMs = 10_000

/** How long the least time counts, in milliseconds, before it is measured anew. */
const timeMs = 60_000

/** Pieces that measure the least time anew. */
const measured = 8

/** A piece on its way. */
export interface Mark {
  at: number
  /** What had passed when it began. */
  passed: number
}

/**
 * Learns how many pieces fill the way to a store: the highest rate at which they came through, times the least time that one took. Fewer leave
 * the way idle; more wait somewhere else, and come through no faster.
 */
export class Pipe {
  readonly #clock: Clock
  #passed = 0
  /** The highest rates, in pieces a millisecond, of now and of the time before. */
  #rates: [number, number] = [0, 0]
  #rateSince: number
  #leastMs = Number.POSITIVE_INFINITY
  #leastSince: number
  /** The least time of pieces that began since it is measured anew, and how many there were. */
  #anew: { since: number; leastMs: number; count: number } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#rateSince = clock.now()
    this.#leastSince = this.#rateSince
  }

  /**
   * Pieces that fill the way, as far as known; 0 before the first came through, and while their time is measured anew: many pieces take
   * longer because they are many, so that takes few.
   */
  get fill(): number {
    if (this.#anew !== undefined || this.#leastMs === Number.POSITIVE_INFINITY) return 0
    return Math.max(...this.#rates) * this.#leastMs
  }

  begin(): Mark {
    return { at: this.#clock.now(), passed: this.#passed }
  }

  /** A piece came through. */
  end({ at, passed }: Mark): void {
    this.#passed++
    const now = this.#clock.now()
    const ms = Math.max(1, now - at)
    if (now - this.#rateSince >= rateMs / 2) {
      this.#rates = [0, this.#rates[0]]
      this.#rateSince = now
    }
    this.#rates[0] = Math.max(this.#rates[0], (this.#passed - passed) / ms)
    if (now - this.#leastSince >= timeMs) {
      this.#anew = { since: now, leastMs: Number.POSITIVE_INFINITY, count: 0 }
      this.#leastSince = now
    }
    if (this.#anew === undefined) this.#leastMs = Math.min(this.#leastMs, ms)
    else if (at >= this.#anew.since) this.#measure(ms)
  }

  #measure(ms: number): void {
    const anew = this.#anew
    if (anew === undefined) return
    anew.leastMs = Math.min(anew.leastMs, ms)
    if (++anew.count < measured) return
    this.#leastMs = anew.leastMs
    this.#anew = undefined
  }
}
