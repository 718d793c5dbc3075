import { StowageError, throwIfAborted } from '@stowage/core'

/** How many requests may be second attempts: 20% of those under way and at least 3, as proxies of the field have it. */
const SHARE = 0.2
const LEAST = 3

/**
 * Keeps the reads that lost a source from falling on the next one all at once. Whoever finds the budget used up waits its turn and does
 * not fail: a turn lasts from a request to its first byte.
 */
export class RetryBudget {
  #active = 0
  #retrying = 0
  readonly #queue: (() => void)[] = []

  /** Second attempts under way. */
  get retrying(): number {
    return this.#retrying
  }

  /** A read began. Call what it returns when it ended. */
  enter(): () => void {
    this.#active++
    return once(() => {
      this.#active--
    })
  }

  /** Waits for a turn. Call what it returns when the first byte came, or none will. @throws StowageError `aborted` */
  async take(signal?: AbortSignal): Promise<() => void> {
    throwIfAborted(signal)
    if (this.#isFree()) this.#retrying++
    else await this.#turn(signal)
    return once(() => {
      this.#retrying--
      while (this.#queue.length > 0 && this.#isFree()) {
        this.#retrying++
        this.#queue.shift()?.()
      }
    })
  }

  #isFree(): boolean {
    return this.#retrying < Math.max(LEAST, Math.floor(this.#active * SHARE))
  }

  async #turn(signal?: AbortSignal): Promise<void> {
    let onAbort = (): void => undefined
    try {
      await new Promise<void>((resolve, reject) => {
        this.#queue.push(resolve)
        onAbort = () => {
          const at = this.#queue.indexOf(resolve)
          // One whose turn came already keeps it, and gives it back as every other.
          if (at < 0) return
          this.#queue.splice(at, 1)
          reject(new StowageError('aborted', 'The read was aborted.', { cause: signal?.reason }))
        }
        signal?.addEventListener('abort', onAbort, { once: true })
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

/** The budget that the reads of this process share. */
export const processBudget: RetryBudget = new RetryBudget()

function once(action: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    action()
  }
}
