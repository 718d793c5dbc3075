import { type Clock, toStowageError } from '@stowage/core'
import type { Records } from '../state/index.ts'
import { Candidates } from './candidates.ts'
import type { Waiting } from './entry.ts'
import type { CarrierWork, TaskCarrier } from './types.ts'

/** How often the store is asked for tasks that other processes put there, in milliseconds. */
const pollMs = 1000

/** How long candidates that were read are good for, in milliseconds. */
const freshMs = 1000

/** Carries tasks without a server: within this process at once, between processes by the store, which is asked every second. */
export class LocalCarrier implements TaskCarrier {
  readonly #candidates: Candidates
  readonly #clock: Clock
  readonly #tell: (error: unknown) => void
  readonly #wakers = new Set<() => void>()

  /** @param tell is told when the store could not be read */
  constructor(records: Records, tell: (error: unknown) => void) {
    this.#candidates = new Candidates(records)
    this.#clock = records.clock
    this.#tell = tell
  }

  async send(): Promise<void> {
    for (const wake of this.#wakers) wake()
  }

  async consume({ concurrency, signal, handle }: CarrierWork): Promise<void> {
    const wake = new Wake()
    this.#wakers.add(wake.now)
    signal.addEventListener('abort', wake.now, { once: true })
    const active = new Map<string, Promise<void>>()
    const full = new Set<string>()
    const resting = new Map<string, number>()
    let found: Waiting[] = []
    let freshUntil = 0
    const free = ({ id, lane }: Waiting): boolean =>
      !active.has(id) && !full.has(lane) && (resting.get(id) ?? 0) <= this.#clock.now()
    const start = ({ id, lane, key }: Waiting): void => {
      const done = handle(id, key).then((handled) => {
        active.delete(id)
        if (handled.kind !== 'later') full.clear()
        else if (handled.full) full.add(lane)
        else resting.set(id, this.#clock.now() + handled.ms)
        wake.now()
      })
      active.set(id, done)
    }
    try {
      while (!signal.aborted) {
        wake.reset()
        if (active.size < concurrency) {
          found = found.filter(free)
          if (found.length === 0 || this.#clock.now() >= freshUntil) {
            found = (await this.#find(full, resting.size, signal)).filter(free)
            freshUntil = this.#clock.now() + freshMs
          }
          const next = found.shift()
          if (next !== undefined) {
            start(next)
            continue
          }
        }
        if (signal.aborted || (await wake.wait(this.#clock, pollMs))) continue
        full.clear()
        for (const [id, until] of resting) if (until <= this.#clock.now()) resting.delete(id)
      }
    } finally {
      signal.removeEventListener('abort', wake.now)
      this.#wakers.delete(wake.now)
      await Promise.all(active.values())
    }
  }

  /** The store's keys are the tickets: none is ever missing. */
  async lacks(): Promise<boolean> {
    return false
  }

  async close(): Promise<void> {}

  async #find(full: ReadonlySet<string>, resting: number, signal: AbortSignal): Promise<Waiting[]> {
    try {
      await this.#candidates.moveDue(signal)
      return await this.#candidates.next(full, resting, signal)
    } catch (error) {
      if (!signal.aborted) this.#tell(toStowageError(error))
      return []
    }
  }
}

/** Lets one wait for a time or for a call, whichever comes first. A call before the wait counts. */
class Wake {
  #stop = new AbortController()

  readonly now = (): void => this.#stop.abort()

  reset(): void {
    this.#stop = new AbortController()
  }

  /** @returns whether it was called */
  async wait(clock: Clock, ms: number): Promise<boolean> {
    await clock.sleep(ms, this.#stop.signal).catch(() => undefined)
    return this.#stop.signal.aborted
  }
}
