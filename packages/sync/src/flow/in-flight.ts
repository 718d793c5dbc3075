import type { Semaphore } from './semaphore.ts'

/** Bytes in flight are raised only while all of them pass in less than this, in seconds: so little is lost by a crash. */
const turnover = 0.5

/** A larger amount must bring at least this much more, or it is taken back. */
const gain = 1.1

/** Samples that a trial lasts, and that pass after one in vain before the next. */
const trialSamples = 2
const restSamples = 30

/**
 * Finds out how many bytes should be in flight. Few are enough on a near link, and mean that little is sent again after a crash; a far one
 * needs more. So it begins with few, and tries more as long as that makes it faster.
 */
export class InFlight {
  readonly #memory: Semaphore
  readonly #most: number
  #trial: { before: number; rate: number; left: number } | undefined
  #rest = 0
  #last = 0

  /** @param most bytes in flight, at most */
  constructor(memory: Semaphore, most: number) {
    this.#memory = memory
    this.#most = most
  }

  /** Looks at the rate of the last second or so, in bytes a second. */
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
    const more = Math.min(this.#most, Math.floor(capacity * 1.5))
    if (waiting === 0 || more <= capacity || capacity > steady * turnover) return
    this.#trial = { before: capacity, rate: steady, left: trialSamples }
    this.#memory.resize(more)
  }
}
