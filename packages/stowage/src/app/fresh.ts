import type { Clock } from '@stowage/core'
import { atMost } from './at-most.ts'

/** The catalog is asked for changes at most so often, in milliseconds, by whatever uses what it keeps. */
const freshMs = 1000

/** Who only wants to be up to date waits so long for it, at most: a catalog that does not answer keeps nobody. */
const patienceMs = 200

/** How a {@link Fresh} looks. */
export interface FreshOptions {
  /** Looks are at least so many milliseconds apart. @defaultValue 1000 */
  everyMs?: number
  /** Told when somebody goes on without waiting for the end of a look. */
  onLate?: () => void
}

/** Looks again at something that others change, at most once a second unless told otherwise, for whoever asks. */
export class Fresh {
  readonly #clock: Clock
  readonly #look: () => Promise<void>
  readonly #everyMs: number
  readonly #onLate: (() => void) | undefined
  #asked: number | undefined
  #looking: Promise<void> | undefined

  constructor(clock: Clock, look: () => Promise<void>, { everyMs = freshMs, onLate }: FreshOptions = {}) {
    this.#everyMs = everyMs
    this.#onLate = onLate
    this.#clock = clock
    this.#look = look
  }

  /** Whether it is time for another look. */
  get isDue(): boolean {
    const since = this.#clock.now() - (this.#asked ?? Number.NaN)
    return !(since >= 0 && since < this.#everyMs)
  }

  /** Whether somebody looks now. */
  get #isLooking(): boolean {
    return this.#looking !== undefined
  }

  /**
   * Looks, unless that was done a moment ago. When there is no answer, or none soon, all stays as it is; one that comes late is taken over then.
   * @param now whether to look in any case, to wait for the answer, and to fail when there is none
   */
  async ask(now: boolean): Promise<void> {
    if (now) {
      // A look that is under way may have been there before what somebody has just changed.
      await this.settled()
      this.#looking ??= this.#begin()
      await this.#looking
      return
    }
    // One caller waits for a look; the others go on with what is known.
    if (!this.isDue || this.#isLooking) return
    this.#looking = this.#begin()
    const work = this.#looking.catch(() => undefined)
    if (!(await atMost(this.#clock, patienceMs, work))) this.#onLate?.()
  }

  /** Waits for the end of a look that is under way, however it ends. */
  async settled(): Promise<void> {
    await this.#looking?.catch(() => undefined)
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
