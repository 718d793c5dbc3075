import type { Clock } from '@stowage/core'

/** A measurement holds for this long, in milliseconds. */
const goodForMs = 30_000

/**
 * The clock of a database that several machines share, so that what one writes is read by another as it was meant. Between measurements
 * this machine's clock tells how much time has passed.
 */
export class DatabaseClock implements Clock {
  readonly #own: Clock
  readonly #ask: () => Promise<number>
  #ahead = 0
  #measuredAt = 0
  #measuring: Promise<void> | undefined

  /** @param ask the database's time, in milliseconds since the epoch */
  static async start(own: Clock, ask: () => Promise<number>): Promise<DatabaseClock> {
    const clock = new DatabaseClock(own, ask)
    await clock.measure()
    return clock
  }

  private constructor(own: Clock, ask: () => Promise<number>) {
    this.#own = own
    this.#ask = ask
  }

  now(): number {
    const now = this.#own.now()
    const age = now - this.#measuredAt
    // The old measurement serves until there is a new one; who needs it exact calls `measure`.
    if (age < 0 || age > goodForMs) this.measure().catch(() => {})
    return Math.round(now + this.#ahead)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#own.sleep(ms, signal)
  }

  /** Asks the database now. Calls at the same time share one question. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined
    })
    return this.#measuring
  }

  async #measure(): Promise<void> {
    const before = this.#own.now()
    const told = await this.#ask()
    const after = this.#own.now()
    // Both clocks give whole milliseconds, and nobody knows when between the two the answer was made. What we held to be true is kept as
    // long as that allows it: a new guess each time would let the clock run backwards by a little.
    const [least, most] = [told - after - 1, told - before + 1]
    if (this.#ahead < least || this.#ahead > most) this.#ahead = told - (before + after) / 2
    this.#measuredAt = after
  }
}
