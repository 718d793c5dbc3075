import type { Clock } from '@stowage/core'

/** The catalog is asked for changes at most so often, in milliseconds, by whatever uses what it keeps. */
const freshMs = 1000

/** Looks again at something that others change, at most once a second unless told otherwise, for whoever asks. */
export class Fresh {
  readonly #clock: Clock
  readonly #look: () => Promise<void>
  readonly #everyMs: number
  #asked: number | undefined
  #looking: Promise<void> | undefined

  /** @param everyMs looks are at least so many milliseconds apart */
  constructor(clock: Clock, look: () => Promise<void>, everyMs: number = freshMs) {
    this.#everyMs = everyMs
    this.#clock = clock
    this.#look = look
  }

  /** Whether it is time for another look. */
  get isDue(): boolean {
    const since = this.#clock.now() - (this.#asked ?? Number.NaN)
    return !(since >= 0 && since < this.#everyMs)
  }

  /** Whether somebody looks now. */
  get isLooking(): boolean {
    return this.#looking !== undefined
  }

  /**
   * Looks, unless that was done a moment ago. When there is no answer, all stays as it is.
   * @param now whether to look in any case, and to fail when there is no answer
   */
  async ask(now: boolean): Promise<void> {
    if (!now && !this.isDue) return
    this.#looking ??= this.#begin()
    if (now) await this.#looking
    else await this.#looking.catch(() => undefined)
  }

  async #begin(): Promise<void> {
    this.#asked = this.#clock.now()
    try {
      await this.#look()
    } finally {
      this.#looking = undefined
    }
  }
}
