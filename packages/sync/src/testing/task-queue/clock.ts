import { type Clock, type SyncStore, systemClock } from '@stowage/core'

/** The machine's clock, which a test can put forward: whoever sleeps until then wakes. */
export class LeapClock implements Clock {
  #ahead = 0
  readonly #sleepers = new Set<() => void>()

  now(): number {
    return Date.now() + this.#ahead
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const until = this.now() + ms
    while (this.now() < until) {
      const leap = new AbortController()
      const wake = (): void => leap.abort()
      this.#sleepers.add(wake)
      const stop = signal === undefined ? leap.signal : AbortSignal.any([signal, leap.signal])
      try {
        await systemClock.sleep(until - this.now(), stop)
      } catch (error) {
        if (signal?.aborted) throw error
      } finally {
        this.#sleepers.delete(wake)
      }
    }
  }

  leap(ms: number): void {
    this.#ahead += ms
    for (const wake of this.#sleepers) wake()
  }

  /** The store with this clock in place of its own. */
  on(store: SyncStore): SyncStore {
    const batch = store.batch?.bind(store)
    return {
      now: async () => this.now(),
      get: (key) => store.get(key),
      put: (key, value, expected) => store.put(key, value, expected),
      delete: (key, expected) => store.delete(key, expected),
      ...(batch === undefined ? {} : { batch }),
      list: (prefix, options) => store.list(prefix, options),
      close: () => store.close(),
    }
  }
}
