import { type Clock, type EventGap, isProbeKey, type ObjectEvent, type StowageError } from '@stowage/core'
import { aborted } from './body.ts'

/** Events that wait for a slow reader, at most; beyond that only the gap is told. */
const mostWaiting = 10_000

/** Hands events from who sees them to who reads them, in batches of all that has come since. */
export class EventQueue {
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  #waiting: (ObjectEvent | EventGap)[] = []
  #wake: (() => void) | undefined
  #failure: StowageError | undefined

  constructor(clock: Clock, signal: AbortSignal | undefined) {
    this.#clock = clock
    this.#signal = signal
  }

  push(event: ObjectEvent): void {
    // What probes write is nobody's object.
    if (isProbeKey(event.key)) return
    if (this.#waiting.length >= mostWaiting) this.#waiting = [{ type: 'gap', time: this.#clock.now() }]
    else this.#waiting.push(event)
    this.#wake?.()
  }

  /** Tells that events were lost, or may have been. */
  gap(): void {
    if (this.#waiting.at(-1)?.type !== 'gap') this.#waiting.push({ type: 'gap', time: this.#clock.now() })
    this.#wake?.()
  }

  /** Ends the reading with this error, once what came before has been read. */
  fail(error: StowageError): void {
    this.#failure ??= error
    this.#wake?.()
  }

  /** Batches until the signal fires, then `aborted`; or until {@link fail}. */
  async *read(): AsyncGenerator<(ObjectEvent | EventGap)[]> {
    const onAbort = (): void => this.#wake?.()
    this.#signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        if (this.#signal?.aborted) throw aborted(this.#signal)
        if (this.#waiting.length > 0) {
          const batch = this.#waiting
          this.#waiting = []
          yield batch
        } else if (this.#failure !== undefined) throw this.#failure
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
          this.#wake = undefined
        }
      }
    } finally {
      this.#signal?.removeEventListener('abort', onAbort)
    }
  }
}
