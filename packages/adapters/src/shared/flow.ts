/**
 * One attempt of a request while it runs: it ends when no bytes move for too long, when its caller gives up, or when the one who sends
 * it sees that it cannot go on.
 */
export class Flow {
  /** Called once when the request shall end. */
  onStop: (() => void) | undefined
  readonly #silence: NodeJS.Timeout
  #failure: unknown
  #control: AbortController | undefined
  #stopped = false

  /** @param silenceMs milliseconds without {@link touch} after which it fails with `whenSilent` */
  constructor(silenceMs: number, whenSilent: () => unknown) {
    this.#silence = setTimeout(() => this.fail(whenSilent()), silenceMs)
  }

  /** Why it was ended, when it was. */
  get failure(): unknown {
    return this.#failure
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** For those who take a signal; made only when it is asked for. */
  get signal(): AbortSignal {
    this.#control ??= new AbortController()
    if (this.#stopped) this.#control.abort()
    return this.#control.signal
  }

  /** Tells that bytes moved: the time without any begins again. */
  touch(): void {
    this.#silence.refresh()
  }

  /** Ends the request with this error. */
  fail(error: unknown): void {
    this.#failure ??= error
    this.cancel()
  }

  /** Ends a request that was answered already. */
  cancel(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.onStop?.()
    this.#control?.abort()
  }

  /** Stops the watch over silence. */
  over(): void {
    clearTimeout(this.#silence)
  }
}
