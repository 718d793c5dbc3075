import { type Clock, StowageError } from '@stowage/core'

/** What {@link StallWatch} holds a source to. */
export interface StallLimits {
  /** Milliseconds of waiting without a byte after which the source counts as stalled. */
  silenceMs: number
  /** Bytes for each second of waiting below which it counts as slow. */
  minBytesPerSecond: number
}

/**
 * Watches one request. Only the time in which the reader waits counts: a reader that takes its time is no stall of the source.
 * A timer runs only while something is waited for, so a stream that is left lying keeps no process alive.
 */
export class StallWatch {
  readonly #limits: StallLimits
  readonly #clock: Clock
  readonly #stop = new AbortController()
  /** When the wait that is under way began. */
  #since: number | undefined
  #reject: ((error: StowageError) => void) | undefined
  #armed = false
  /** Of the window that is counted now. */
  #waited = 0
  #bytes = 0

  constructor(limits: StallLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /**
   * Waits for an answer of the source, whatever becomes of the limit's other side: what is waited for is not stopped by it.
   * @throws StowageError `timeout` when it stays silent
   */
  async wait<T>(answer: Promise<T>): Promise<T> {
    const since = this.#clock.now()
    this.#since = since
    this.#arm()
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#reject = reject
        answer.then(resolve, reject)
      })
    } finally {
      this.#since = undefined
      this.#reject = undefined
      this.#waited += Math.max(0, this.#clock.now() - since)
    }
  }

  /** Counts what came. Returns whether a window of waiting has just ended with too few bytes. */
  isSlow(bytes: number): boolean {
    this.#bytes += bytes
    if (this.#waited < this.#limits.silenceMs) return false
    const isSlow = this.#bytes * 1000 < this.#limits.minBytesPerSecond * this.#waited
    this.#waited = 0
    this.#bytes = 0
    return isSlow
  }

  stop(): void {
    this.#stop.abort()
  }

  #arm(): void {
    if (this.#armed || this.#stop.signal.aborted) return
    this.#armed = true
    this.#ring().catch(() => undefined)
  }

  async #ring(): Promise<void> {
    const { silenceMs } = this.#limits
    try {
      while (this.#since !== undefined) {
        // Of a clock that was set back only what it tells from then on counts.
        this.#since = Math.min(this.#since, this.#clock.now())
        const left = this.#since + silenceMs - this.#clock.now()
        if (left <= 0) {
          this.#reject?.(new StowageError('timeout', `No byte came for ${silenceMs} ms.`))
          return
        }
        await this.#clock.sleep(left, this.#stop.signal)
      }
    } finally {
      this.#armed = false
    }
  }
}
