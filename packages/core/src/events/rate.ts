/** Time constant of the smoothing, in milliseconds: what happened longer ago hardly counts. */
const SMOOTHING_MS = 3000

/**
 * A smoothed rate. From its first moment it is the average so far, not a value that has to climb from zero.
 *
 * @example
 * ```ts
 * const meter = new RateMeter(clock.now())
 * meter.add(chunk.length)
 * meter.sample(clock.now()) // bytes a second
 * ```
 */
export class RateMeter {
  #sum = 0
  /** The share of the weights that was given out so far; dividing by it takes the zero of the beginning out again. */
  #weight = 0
  #pending = 0
  #last: number

  /** @param now milliseconds, as for {@link RateMeter.sample} */
  constructor(now: number) {
    this.#last = now
  }

  /** Notes that this much was done since the last sample. */
  add(amount: number): void {
    this.#pending += amount
  }

  /** The amount a second, as of the last sample. */
  get rate(): number {
    return this.#weight === 0 ? 0 : this.#sum / this.#weight
  }

  /** Takes what was added into the rate, and gives it. */
  sample(now: number): number {
    const elapsed = now - this.#last
    if (elapsed > 0) {
      const weight = 1 - Math.exp(-elapsed / SMOOTHING_MS)
      this.#sum += weight * ((this.#pending * 1000) / elapsed - this.#sum)
      this.#weight += weight * (1 - this.#weight)
      this.#pending = 0
      this.#last = now
    }
    return this.rate
  }
}
