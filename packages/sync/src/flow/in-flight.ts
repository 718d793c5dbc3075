import type { Clock } from '@stowage/core'
import type { Semaphore } from './semaphore.ts'

/** Bytes in flight are raised only while all of them pass in less than this, in seconds: so little is lost by a crash. */
const turnover = 0.5

/** A larger amount must bring at least this much more, or it is taken back. */
const gain = 1.1

/** Samples that a trial lasts, and that pass after one in vain before the next. */
const trialSamples = 2
const restSamples = 30

/** Time between samples, at least, in milliseconds. */
const sampleMs = 250

/**
 * Finds out how many bytes should be in flight. Few are enough on a near link, and mean that little is sent again after a crash; a far one
 * needs more. So it begins with few, and tries more as long as that makes it faster.
 */
export class InFlight {
  readonly #memory: Semaphore
  readonly #most: number
  readonly #clock: Clock
  #sampledAt: number
  #passed = 0
  #trial: { before: number; rate: number; left: number } | undefined
  #rest = 0
  #last = 0

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

  /** Notes bytes that passed, and looks at their rate now and then. */
  passed(bytes: number): void {
    this.#passed += bytes
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
