import type { Clock, StorageAdapter } from '@stowage/core'
import { StowageError } from '@stowage/core'
import { Brake } from './brake.ts'
import { Pipe } from './pipe.ts'

/** Pieces at a time that every store is trusted with. */
const least = 32

/** Pieces at a time, at most. */
const most = 1024

/** What fills the way, times this, may be under way: with just as much it would never show that there is room for more. */
const headroom = 2

/** Pieces above this many bytes take their time from their size, and tell nothing of the way. */
const smallBytes = 256 * 1024

/** The longest that a store may have all of its pieces wait, in milliseconds. */
const longestHoldMs = 30_000

interface Waiter {
  grant(): void
}

interface Sharer {
  waiting: Waiter[]
  running: number
}

/** A piece that may go. */
export interface Turn {
  /** It is over. @param passed whether it came through, so that its time tells something */
  end(passed: boolean): void
}

/**
 * How many pieces may be under way with one store: of all tasks of an engine together. Each task that waits gets the same share.
 *
 * It begins with few and finds out how many fill the way ({@link Pipe}): near, few are enough; 50 ms away it takes hundreds. A store that
 * refuses for being asked too much slows itself down, and nothing else ({@link Brake}).
 */
export class SourceLimit {
  readonly #clock: Clock
  readonly #adapter: Pick<StorageAdapter, 'id' | 'attempts'>
  readonly #pipe: Pipe
  readonly #brake = new Brake()
  readonly #sharers = new Map<object, Sharer>()
  #running = 0
  #throttled: number
  #heldUntil = 0
  #isHeld = false

  constructor(clock: Clock, adapter: Pick<StorageAdapter, 'id' | 'attempts'>) {
    this.#clock = clock
    this.#adapter = adapter
    this.#pipe = new Pipe(clock)
    this.#throttled = adapter.attempts?.throttled ?? 0
  }

  /** Pieces that may be under way now. */
  get limit(): number {
    const fits = Math.max(least, Math.ceil(this.#pipe.fill * headroom))
    return Math.max(1, Math.min(most, fits, this.#brake.limit))
  }

  /** Pieces that are under way. */
  get running(): number {
    return this.#running
  }

  /**
   * Waits until a piece of this many bytes may go.
   * @param sharer the task
   * @throws StowageError `aborted` when the signal fires first
   */
  acquire(sharer: object, bytes: number, signal: AbortSignal): Promise<Turn> {
    const own = this.#sharers.get(sharer) ?? { waiting: [], running: 0 }
    this.#sharers.set(sharer, own)
    // Most need not wait; a listener for each would cost more than all the rest.
    if (!signal.aborted && this.#isFree) return Promise.resolve(this.#begin(sharer, own, bytes))
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        own.waiting.splice(own.waiting.indexOf(waiter), 1)
        this.#forget(sharer, own)
        reject(new StowageError('aborted', 'The wait for a store was aborted.', { cause: signal.reason }))
      }
      const waiter: Waiter = {
        grant: () => {
          signal.removeEventListener('abort', abort)
          resolve(this.#begin(sharer, own, bytes))
        },
      }
      own.waiting.push(waiter)
      if (signal.aborted) return abort()
      signal.addEventListener('abort', abort, { once: true })
      this.#serve()
    })
  }

  /** A piece failed because a store refused it for being asked too much; this one, unless the error names another. */
  throttled({ sourceId, retryAfterMs }: StowageError): void {
    if (sourceId !== undefined && sourceId !== this.#adapter.id) return
    if (this.#adapter.attempts === undefined) this.#refused++
    if (retryAfterMs === undefined) return
    this.#heldUntil = Math.max(this.#heldUntil, this.#clock.now() + Math.min(retryAfterMs, longestHoldMs))
  }

  /** Refusals that the adapter does not count by itself. */
  #refused = 0

  /** Whether there is room, and nobody waits for it. */
  get #isFree(): boolean {
    if (this.#isHeld || this.#heldUntil > this.#clock.now() || this.#running >= this.limit) return false
    for (const { waiting } of this.#sharers.values()) if (waiting.length > 0) return false
    return true
  }

  #begin(sharer: object, own: Sharer, bytes: number): Turn {
    own.running++
    this.#running++
    const mark = this.#pipe.begin()
    return {
      end: (passed) => {
        own.running--
        this.#running--
        this.#forget(sharer, own)
        if (passed && bytes <= smallBytes) this.#pipe.end(mark)
        this.#brake.note(this.#takeRefused(), this.limit)
        this.#serve()
      },
    }
  }

  #takeRefused(): number {
    const counted = this.#adapter.attempts?.throttled ?? 0
    // An adapter that was made anew counts from the beginning.
    const refused = this.#refused + Math.max(0, counted - this.#throttled)
    this.#throttled = counted
    this.#refused = 0
    return refused
  }

  #forget(sharer: object, own: Sharer): void {
    if (own.waiting.length === 0 && own.running === 0) this.#sharers.delete(sharer)
  }

  #serve(): void {
    const wait = this.#heldUntil - this.#clock.now()
    if (wait > 0) {
      this.#hold(wait)
      return
    }
    while (this.#running < this.limit) {
      const next = this.#next()
      if (next === undefined) return
      next.grant()
    }
  }

  /** The first who waits of the task that has the fewest under way. */
  #next(): Waiter | undefined {
    let found: Sharer | undefined
    for (const sharer of this.#sharers.values()) {
      if (sharer.waiting.length > 0 && (found === undefined || sharer.running < found.running)) found = sharer
    }
    return found?.waiting.shift()
  }

  #hold(ms: number): void {
    if (this.#isHeld) return
    this.#isHeld = true
    // Nobody else wakes it where nothing is under way.
    void this.#clock.sleep(ms).then(() => {
      this.#isHeld = false
      this.#serve()
    })
  }
}

/** The limits of all sources of an engine. */
export class SourceLimits {
  readonly #clock: Clock
  readonly #limits = new WeakMap<object, SourceLimit>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  of(adapter: StorageAdapter): SourceLimit {
    const known = this.#limits.get(adapter) ?? new SourceLimit(this.#clock, adapter)
    this.#limits.set(adapter, known)
    return known
  }
}
