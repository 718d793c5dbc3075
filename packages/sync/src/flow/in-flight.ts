import type { Clock } from '@stowage/core'
import type { Semaphore } from './semaphore.ts'

/** Bytes in flight are raised only while all of them pass in less than this, in seconds: so little is lost by a crash. */
const turnover = 0.5

/** A larger amount must bring at least this much more, or it is taken back. */
const gain = 1.1

/** Pieces that pass as they come, at a time, at most: more bring no store further. */
const mostPassing = 8

/** What a run has brought over before more pieces may pass, in bytes: a short one, killed again and again, has little sent twice. */
const enough = 256 * 1024 * 1024

/** Of what it brings over after that, this share may be lost by a crash as pieces that pass: never more than a quarter of all. */
const share = 1 / 2

/** Samples that a trial lasts, and that pass after one in vain before the next. */
const trialSamples = 2
const restSamples = 30

/** Time between samples, at least, in milliseconds. */
const sampleMs = 250

/**
 * Finds out how many bytes should be in flight. Few are enough on a near link, and mean that little is sent again after a crash; a far one
 * needs more. So it begins with few, and tries more as long as that makes it faster.
 *
 * What passes as it comes takes next to no memory, and a store that writes each piece to its disk is busy only with several of them. Those may be
 * as many as make up a share of what a long run has brought over already: so a crash never has more than that sent again.
 */
export class InFlight {
  readonly #memory: Semaphore
  readonly #most: number
  readonly #clock: Clock
  #sampledAt: number
  #passed = 0
  #brought = 0
  #trial: { before: number; rate: number; left: number } | undefined
  #rest = 0
  #last = 0
  #rate = 0

  /** @param most bytes in flight, at most */
  constructor(memory: Semaphore, most: number, clock: Clock) {
    this.#memory = memory
    this.#most = most
    this.#clock = clock
    this.#sampledAt = clock.now()
  }

  /** Makes room for two pieces of this size, in bytes: while one ends, another begins. */
  hold(bytes: number): void {
    const two = Math.min(2 * bytes, this.#most)
    if (two > this.#memory.capacity) this.#memory.resize(two)
  }

  /** What a piece of this size that passes as it comes weighs of the memory now, in bytes. */
  weightOf(bytes: number): number {
    const mayBeLost = Math.min((this.#brought - enough) * share, this.#rate * turnover)
    const pieces = Math.min(mostPassing, Math.floor(mayBeLost / Math.max(1, bytes)))
    return Math.min(bytes, Math.floor(this.#memory.capacity / Math.max(1, pieces)))
  }

  /** Notes bytes that passed, and looks at their rate now and then. */
  passed(bytes: number): void {
    this.#passed += bytes
    this.#brought += bytes
    const ms = this.#clock.now() - this.#sampledAt
    if (ms < sampleMs) return
    this.sample((this.#passed * 1000) / ms)
    this.#sampledAt += ms
    this.#passed = 0
  }

  /** Takes a rate, in bytes a second. */
  sample(rate: number): void {
    const { capacity, waiting } = this.#memory
    const steady = Math.max(rate, this.#last)
    this.#last = rate
    this.#rate = steady
    if (this.#trial !== undefined) {
      if (--this.#trial.left > 0) return
      if (steady < this.#trial.rate * gain) {
        this.#memory.resize(this.#trial.before)
        this.#rest = restSamples
      }
      this.#trial = undefined
      return
    }
    if (this.#rest > 0) {
      this.#rest--
      return
    }
    const more = Math.min(this.#most, capacity * 2)
    if (waiting === 0 || more <= capacity || capacity > steady * turnover) return
    this.#trial = { before: capacity, rate: steady, left: trialSamples }
    this.#memory.resize(more)
  }
}
