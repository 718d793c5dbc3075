import { StowageError } from '@stowage/core'
import type { Semaphore } from '../flow/index.ts'

/**
 * The pieces that are being moved: whole small objects, and parts. A unit is what can be lost by a crash, so their bytes in flight are
 * bounded. On a stop they end at once; at a time limit, when the run has not brought anything over yet, the oldest unit may finish
 * first, so that even the slowest link gets on by one unit a run.
 */
export class Units {
  readonly #slots: Semaphore
  readonly #memory: Semaphore
  readonly #signal: AbortSignal
  #running: AbortController[] = []
  #finished = 0
  #lastOne: (() => void) | undefined

  /** @param signal ends all units */
  constructor(slots: Semaphore, memory: Semaphore, signal: AbortSignal) {
    this.#slots = slots
    this.#memory = memory
    this.#signal = signal
  }

  /** Units that came to their end. */
  get finished(): number {
    return this.#finished
  }

  /** Does one piece of work when there is room for its bytes and a slot. */
  async run<T>(bytes: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const both = AbortSignal.any([signal, this.#signal])
    const unit = new AbortController()
    try {
      const giveMemory = await this.#memory.acquire(bytes, both)
      try {
        const giveSlot = await this.#slots.acquire(1, both)
        try {
          return await this.#count(unit, AbortSignal.any([both, unit.signal]), work)
        } finally {
          giveSlot()
        }
      } finally {
        giveMemory()
      }
    } catch (error) {
      // Given up in favour of another unit: no failure of this one, so it waits for the end with the rest.
      if (unit.signal.aborted && !both.aborted) await aborted(both)
      throw error
    }
  }

  /** Ends all units but the oldest, starts no second one, and calls back when one has ended. */
  finishOne(then: () => void): void {
    this.#lastOne = then
    this.#slots.resize(1)
    for (const unit of this.#running.slice(1)) unit.abort(stopped())
  }

  async #count<T>(unit: AbortController, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#running.push(unit)
    try {
      const result = await work(signal)
      this.#finished++
      return result
    } finally {
      this.#running = this.#running.filter((other) => other !== unit)
      if (!unit.signal.aborted) this.#lastOne?.()
    }
  }
}

function stopped(): StowageError {
  return new StowageError('aborted', 'The run was stopped.')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
