import { StowageError } from '@stowage/core'

/** How much somebody wants; as a function, what it is when its turn comes. */
type Amount = number | (() => number)

interface Waiter {
  amount: Amount
  grant(): void
}

/**
 * Gives out a limited amount of something, first come first served: request slots, or bytes of memory. A wish above the whole
 * capacity is granted when everything else has been given back, so that nothing waits for ever.
 *
 * @example
 * ```ts
 * const slots = new Semaphore(16)
 * const release = await slots.acquire(1, signal)
 * try { await work() } finally { release() }
 * ```
 */
export class Semaphore {
  #capacity: number
  #used = 0
  #waiting: Waiter[] = []

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** How much may be out at once. */
  get capacity(): number {
    return this.#capacity
  }

  /** How much is out now. */
  get used(): number {
    return this.#used
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Changes the capacity; what is out stays out. */
  resize(capacity: number): void {
    this.#capacity = capacity
    this.#serve()
  }

  /**
   * Waits for its turn and returns the function that gives the amount back; calling that twice does no harm.
   * @throws StowageError `aborted` when the signal fires first
   */
  acquire(amount: Amount, signal?: AbortSignal): Promise<() => void> {
    // Most need not wait; a listener for each would cost more than all the rest.
    if (signal?.aborted !== true && this.#waiting.length === 0 && this.#fits(amount))
      return Promise.resolve(this.#take(amount))
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter)
        reject(new StowageError('aborted', 'The wait for a free slot was aborted.', { cause: signal?.reason }))
        this.#serve()
      }
      const waiter: Waiter = {
        amount,
        grant: () => {
          signal?.removeEventListener('abort', abort)
          resolve(this.#take(amount))
        },
      }
      if (signal?.aborted) return abort()
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting.push(waiter)
    })
  }

  #fits(amount: Amount): boolean {
    return this.#used === 0 || this.#used + now(amount) <= this.#capacity
  }

  #take(wanted: Amount): () => void {
    const amount = now(wanted)
    this.#used += amount
    let out = true
    return () => {
      if (!out) return
      out = false
      this.#used -= amount
      this.#serve()
    }
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.amount); next = this.#waiting[0]) {
      this.#waiting.shift()
      next.grant()
    }
  }
}

function now(amount: Amount): number {
  return typeof amount === 'number' ? amount : amount()
}
