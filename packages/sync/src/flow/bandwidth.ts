import type { Clock } from '@stowage/core'

/** Holds bytes back so that, over time, no more than `rate` of them pass in a second. */
export class Bandwidth {
  readonly #clock: Clock
  readonly #rate: number
  #freeAt = 0

  /** @param rate bytes a second */
  constructor(clock: Clock, rate: number) {
    this.#clock = clock
    this.#rate = rate
  }

  /** Waits until `bytes` more may pass. A tenth of a second's worth may pass at once, so that waits are not too fine for a timer. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now()
    this.#freeAt = Math.max(this.#freeAt, now - 100) + (bytes / this.#rate) * 1000
    if (this.#freeAt > now) await this.#clock.sleep(this.#freeAt - now, signal)
  }
}
