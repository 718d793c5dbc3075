import { StowageError } from '../errors/index.ts'
import type { Clock } from '../ports/index.ts'

interface Sleeper {
  until: number
  wake(): void
}

/**
 * A clock that stands still until the test moves it.
 *
 * @example
 * ```ts
 * const clock = new FakeClock()
 * const waited = clock.sleep(5_000)
 * await clock.advance(5_000)
 * await waited
 * ```
 */
export class FakeClock implements Clock {
  #now: number
  #sleepers: Sleeper[] = []

  /** @param start milliseconds since the epoch */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  /** How many calls of {@link sleep} are waiting: a test can see that nobody was left behind. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(new StowageError('aborted', 'The wait was aborted.', { cause: signal?.reason }))
      }
      const sleeper: Sleeper = {
        until: this.#now + Math.max(0, ms),
        wake: () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
      }
      if (signal?.aborted) return abort()
      if (ms <= 0) return resolve()
      signal?.addEventListener('abort', abort, { once: true })
      this.#sleepers.push(sleeper)
    })
  }

  /** Moves time on, waking sleepers in order of their time; what they do next runs, and may sleep again, before later ones wake. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      const next = this.#sleepers.filter((sleeper) => sleeper.until <= end).sort((a, b) => a.until - b.until)[0]
      if (next === undefined) break
      this.#sleepers = this.#sleepers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.until)
      next.wake()
    }
    this.#now = end
    await settle()
  }

  /** Sets the time without waking anybody, also back: what a wrong clock does. */
  set(now: number): void {
    this.#now = now
  }
}

/** Lets everything that is ready to run do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
