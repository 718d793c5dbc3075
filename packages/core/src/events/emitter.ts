import { EventEmitter } from 'eventemitter3'
import type { StowageEvents } from './events.ts'

type Name = keyof StowageEvents

/**
 * The typed emitter. A listener that throws, or rejects, does not disturb the work that emitted: its error is handed to `onListenerError`.
 *
 * @example
 * ```ts
 * const events = new Events()
 * const off = events.on('sync.progress', (p) => bar.update(p.bytes, p.totalBytes))
 * off()
 * ```
 */
export class Events {
  readonly #emitter = new EventEmitter()
  readonly #onListenerError: (error: unknown, name: string) => void

  /** @param onListenerError told of listeners that throw; by default a process warning */
  constructor(onListenerError: (error: unknown, name: string) => void = warn) {
    this.#onListenerError = onListenerError
  }

  /** Calls the listener at every event of this name. Returns a function that ends it. */
  on<N extends Name>(name: N, listener: (payload: StowageEvents[N]) => void): () => void {
    this.#emitter.on(name, listener)
    return () => {
      this.#emitter.off(name, listener)
    }
  }

  /** Whether anybody listens: what costs something need not be made for nobody. */
  hasListeners(name: Name): boolean {
    return this.#emitter.listenerCount(name) > 0
  }

  /** Tells all listeners, in the order they came. */
  emit<N extends Name>(name: N, payload: StowageEvents[N]): void {
    for (const listener of this.#emitter.listeners(name)) {
      try {
        const returned = (listener as (payload: StowageEvents[N]) => unknown)(payload)
        if (returned instanceof Promise) returned.catch((error: unknown) => this.#onListenerError(error, name))
      } catch (error) {
        this.#onListenerError(error, name)
      }
    }
  }
}

function warn(error: unknown, name: string): void {
  process.emitWarning(`A listener of "${name}" threw: ${error instanceof Error ? error.message : String(error)}`)
}
