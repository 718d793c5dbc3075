import type { Clock, StorageAdapter } from '@stowage/core'

/** A measurement holds for this long, in milliseconds. */
const goodForMs = 60_000

/** Stores tell times in whole seconds. */
const coarseMs = 1000

/**
 * The clock of an object store, told by the time it gives to an object that is written. Stores tell whole seconds, so what is known is an
 * interval for the difference from this machine's clock; every measurement narrows it. The time told is never ahead of the store's, and
 * behind it by a second and a request at most.
 */
export class ObjectClock {
  readonly #adapter: StorageAdapter
  readonly #clock: Clock
  readonly #key: string
  #measuring: Promise<void> | undefined
  #measuredAt: number | undefined
  #least = Number.NEGATIVE_INFINITY
  #most = Number.POSITIVE_INFINITY
  #told = 0

  /** @param key an object that is overwritten for each measurement; processes may share it, since all they do is to make it newer */
  constructor(adapter: StorageAdapter, clock: Clock, key: string) {
    this.#adapter = adapter
    this.#clock = clock
    this.#key = key
  }

  async now(): Promise<number> {
    const sinceThen = this.#clock.now() - (this.#measuredAt ?? Number.NaN)
    if (!(sinceThen >= 0 && sinceThen < goodForMs)) {
      this.#measuring ??= this.#measure().finally(() => {
        this.#measuring = undefined
      })
      await this.#measuring
    }
    this.#told = Math.max(this.#told, Math.floor(this.#clock.now() + this.#least))
    return this.#told
  }

  async #measure(): Promise<void> {
    const before = this.#clock.now()
    await this.#adapter.put(this.#key, new Uint8Array())
    const after = this.#clock.now()
    const { lastModified } = await this.#adapter.head(this.#key)
    // Somebody may have written it once more in the meantime, so the latest moment is that of the answer.
    const answered = this.#clock.now()
    const [least, most] = [lastModified - answered, lastModified + coarseMs - before]
    const agrees = least <= this.#most && most >= this.#least
    // One of the clocks was set: what was known before is worth nothing.
    this.#least = agrees ? Math.max(least, this.#least) : least
    this.#most = agrees ? Math.min(most, this.#most) : most
    this.#measuredAt = after
  }
}
