import { type Clock, StowageError } from '@stowage/core'

/** A place among those who may be at work. */
export interface Slot {
  /** The call was answered; what holds the place now is a body that somebody reads. */
  toBody(): void
  /** Bytes of the body came. */
  moved(): void
  /** Gives the place back. A second time changes nothing. */
  release(): void
}

interface Waiter {
  go(slot: Slot): void
}

/**
 * So many at the same time, the others in the order they came.
 *
 * Who reads two objects side by side, or writes what it reads, holds one place while it waits for the next: many of them could hold all
 * places and wait for ever. So when every place is held by a body of which no byte was taken for a while, one more may begin.
 */
export class Slots {
  readonly #size: number
  readonly #patienceMs: number
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()
  #active = 0
  #bodies = 0
  /** Counts what happens, so that it shows when nothing does. */
  #progress = 0
  #watch: AbortController | undefined

  constructor(size: number, patienceMs: number, clock: Clock) {
    this.#size = size
    this.#patienceMs = patienceMs
    this.#clock = clock
  }

  /** How many hold a place. */
  get active(): number {
    return this.#active
  }

  /** How many wait for one. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** @throws StowageError `aborted` when the signal fires before there is a place */
  acquire(signal: AbortSignal | undefined): Slot | Promise<Slot> {
    if (signal?.aborted) throw gaveUp(signal)
    if (this.#active < this.#size && this.#waiting.size === 0) return this.#take()
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter)
        this.#unwatch()
        reject(gaveUp(signal))
      }
      const waiter: Waiter = {
        go: (slot) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(slot)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
      this.#watchOver()
    })
  }

  #take(): Slot {
    this.#active++
    this.#progress++
    let isBody = false
    let held = true
    return {
      toBody: () => {
        if (isBody || !held) return
        isBody = true
        this.#bodies++
      },
      moved: () => {
        this.#progress++
      },
      release: () => {
        if (!held) return
        held = false
        this.#active--
        this.#progress++
        if (isBody) this.#bodies--
        while (this.#active < this.#size && this.#admit());
        this.#unwatch()
      },
    }
  }

  #admit(): boolean {
    const [next] = this.#waiting
    if (next === undefined) return false
    this.#waiting.delete(next)
    next.go(this.#take())
    return true
  }

  #watchOver(): void {
    if (this.#watch !== undefined) return
    const watch = new AbortController()
    this.#watch = watch
    const look = async (): Promise<void> => {
      while (this.#waiting.size > 0) {
        const before = this.#progress
        await this.#clock.sleep(this.#patienceMs, watch.signal)
        if (this.#progress === before && this.#bodies === this.#active) this.#admit()
      }
      this.#unwatch()
    }
    // It ends with an error only when it is stopped.
    look().catch(() => {})
  }

  #unwatch(): void {
    if (this.#waiting.size > 0) return
    this.#watch?.abort()
    this.#watch = undefined
  }
}

function gaveUp(signal: AbortSignal | undefined): StowageError {
  return new StowageError('aborted', 'The operation was aborted while it waited for its turn.', {
    cause: signal?.reason,
  })
}
