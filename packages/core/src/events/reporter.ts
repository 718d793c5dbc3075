import type { Clock } from '../ports/index.ts'
import { harmless } from './listener.ts'

/** Least time between two reports, in milliseconds. */
const intervalMs = 100

/**
 * Reports progress to a listener, at most ten times a second, however often something happens. What the listener throws harms nothing.
 *
 * @example
 * ```ts
 * const reporter = new Reporter(clock, options.onProgress)
 * for (const file of files) {
 *   done += await read(file)
 *   reporter.touch(() => ({ done }))
 * }
 * reporter.flush(() => ({ done }))
 * ```
 */
export class Reporter<T> {
  readonly #clock: Clock
  readonly #listener: ((report: T) => void) | undefined
  #last = Number.NEGATIVE_INFINITY

  /** @param listener called `onProgress` by whoever gave it */
  constructor(clock: Clock, listener: ((report: T) => void) | undefined) {
    this.#clock = clock
    this.#listener = listener && harmless(listener, 'onProgress')
  }

  /** Reports if the last report is old enough. @param make makes the report, when there is to be one */
  touch(make: () => T): void {
    // A clock that was set back holds nothing up.
    if (Math.abs(this.#clock.now() - this.#last) >= intervalMs) this.flush(make)
  }

  /** Reports now: at the end, so that the last report is exact. */
  flush(make: () => T): void {
    this.#last = this.#clock.now()
    this.#listener?.(make())
  }
}
