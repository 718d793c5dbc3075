import { BLOCK_SIZE, type Clock, StowageError, systemClock, throwIfAborted } from '@stowage/core'

/** Bytes that all streams of a process hold together: 256 MiB. */
const LIMIT = 32 * BLOCK_SIZE
/** When nothing was given back for so long, in milliseconds, those who hold it are stuck, and one who waits goes on without them. */
const STUCK_MS = 2000

interface Waiting {
  bytes: number
  begin: () => void
}

/**
 * Bounds what many reads hold together: blocks that are being fetched for a reader, and blocks ahead of one. Nobody waits for room ahead;
 * where there is none, a read does without. Whoever has a reader that waits gets its turn: what it waits for is held by blocks that are on
 * their way, and never by readers, as blocks ahead leave half of the room.
 */
export class MemoryBudget {
  readonly limit: number
  readonly #aheadLimit: number
  readonly #clock: Clock
  readonly #queue: Waiting[] = []
  #held = 0
  #ahead = 0
  /** How far above the limit it may go, as long as somebody waits. */
  #above = 0
  #movedAt = 0
  #watch: AbortController | undefined

  /**
   * @param limit in bytes
   * @param aheadLimit bytes of it that may be ahead of their readers
   */
  constructor(limit: number, aheadLimit: number = limit, clock: Clock = systemClock) {
    this.limit = limit
    this.#aheadLimit = aheadLimit
    this.#clock = clock
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held
  }

  /** Takes room ahead of a reader. Call what it returns, once, to give it back; `undefined` when there is none. */
  take(bytes: number): (() => void) | undefined {
    const isRoom = this.#queue.length === 0 && this.#held + bytes <= this.limit
    if (!isRoom || this.#ahead + bytes > this.#aheadLimit) return undefined
    this.#ahead += bytes
    return this.#hold(bytes, () => {
      this.#ahead -= bytes
    })
  }

  /** Takes room for what a reader waits for, where nobody else waits. */
  takeNow(bytes: number): (() => void) | undefined {
    return this.#queue.length === 0 && this.#fits(bytes) ? this.#hold(bytes) : undefined
  }

  /** Waits its turn for that. @throws StowageError `aborted` */
  async turn(bytes: number, signal: AbortSignal | undefined): Promise<() => void> {
    throwIfAborted(signal)
    let onAbort = (): void => undefined
    try {
      return await new Promise<() => void>((resolve, reject) => {
        const one: Waiting = { bytes, begin: () => resolve(this.#hold(bytes)) }
        this.#queue.push(one)
        onAbort = () => {
          const at = this.#queue.indexOf(one)
          // One whose turn came already keeps it, and gives it back as every other.
          if (at < 0) return
          this.#queue.splice(at, 1)
          reject(new StowageError('aborted', 'The read was aborted.', { cause: signal?.reason }))
          this.#admit()
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#admit()
        if (this.#queue.length > 0) this.#keepWatch()
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #fits(bytes: number): boolean {
    // One goes on in any case, however large.
    return this.#held === this.#ahead || this.#held + bytes <= this.limit + this.#above
  }

  #hold(bytes: number, onBack: () => void = () => undefined): () => void {
    this.#held += bytes
    return () => {
      this.#held -= bytes
      onBack()
      this.#movedAt = this.#clock.now()
      this.#admit()
    }
  }

  #admit(): void {
    for (let next = this.#queue[0]; next !== undefined && this.#fits(next.bytes); next = this.#queue[0]) {
      this.#queue.shift()
      next.begin()
    }
    if (this.#queue.length > 0) return
    this.#above = 0
    this.#watch?.abort()
    this.#watch = undefined
  }

  /** Looks after those who wait, as long as somebody does. */
  #keepWatch(): void {
    if (this.#watch !== undefined) return
    const watch = new AbortController()
    this.#watch = watch
    this.#movedAt = this.#clock.now()
    this.#raise(watch.signal).catch(() => undefined)
  }

  /** Lets one more go on each time that nothing moved for too long. */
  async #raise(signal: AbortSignal): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined && !signal.aborted; next = this.#queue[0]) {
      const now = this.#clock.now()
      // A clock that was set back would have them wait for it.
      if (now < this.#movedAt) this.#movedAt = now
      const left = this.#movedAt + STUCK_MS - now
      if (left > 0) await this.#clock.sleep(left, signal)
      else {
        this.#above = Math.max(this.#above, this.#held + next.bytes - this.limit)
        this.#movedAt = this.#clock.now()
        this.#admit()
      }
    }
  }
}

/** What the reads of this process share. */
export const processMemory: MemoryBudget = new MemoryBudget(LIMIT, LIMIT / 2)
