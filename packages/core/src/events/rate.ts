/** Time constant of the smoothing, in milliseconds: what happened longer ago hardly counts. */
const SMOOTHING_MS = 3000

/** Where little comes at a time, as by large parts on a slow line, it takes in so many arrivals, and at most so long. */
const SMOOTHING_ARRIVALS = 4
const MOST_SMOOTHING_MS = 60_000

/**
 * A smoothed rate of the last seconds. From its first moment it is the average so far, not a value that has to climb from zero. What comes in
 * bursts is smoothed over several of them.
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
  #arrivedAt: number
  /** Time between arrivals, smoothed, in milliseconds. */
  #gap = 0

  /** @param now milliseconds, as for {@link RateMeter.sample} */
  constructor(now: number) {
    this.#last = now
    this.#arrivedAt = now
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
      if (this.#pending > 0) this.#arrived(now)
      const smoothing = Math.min(MOST_SMOOTHING_MS, Math.max(SMOOTHING_MS, SMOOTHING_ARRIVALS * this.#gap))
      const weight = 1 - Math.exp(-elapsed / smoothing)
      this.#sum += weight * ((this.#pending * 1000) / elapsed - this.#sum)
      this.#weight += weight * (1 - this.#weight)
      this.#pending = 0
      this.#last = now
    }
    return this.rate
  }

  #arrived(now: number): void {
    const gap = now - this.#arrivedAt
    // What comes shortly after another belongs to it.
    if (gap < SMOOTHING_MS / 6) return
    this.#gap = this.#gap === 0 ? gap : this.#gap + (gap - this.#gap) / 3
    this.#arrivedAt = now
  }
}
