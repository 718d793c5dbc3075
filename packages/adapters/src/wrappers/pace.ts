import type { Clock } from '@stowage/core'

/**
 * Lets so many bytes pass a second, for all who ask, in the order they ask. Time that nobody used is not saved up, so that there are no
 * bursts after a pause.
 */
export class Pace {
  readonly #perMs: number
  readonly #clock: Clock
  /** When all bytes that were let through will have had their time. */
  #free = 0

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#perMs = bytesPerSecond / 1000
    this.#clock = clock
  }

  /** Waits until the bytes before these have had their time. @throws StowageError `aborted` */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now()
    const begin = Math.max(now, this.#free)
    const time = bytes / this.#perMs
    this.#free = begin + time
    if (begin <= now) return
    try {
      await this.#clock.sleep(begin - now, signal)
    } catch (error) {
      // These bytes do not go: what waits behind need not wait for them.
      this.#free -= time
      throw error
    }
  }
}
