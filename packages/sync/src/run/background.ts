import { cancelRequested, type Records } from '../state/index.ts'
import type { Frontier } from './frontier.ts'
import type { Shared } from './shared.ts'

/** How often a running task looks whether it was cancelled and writes its record, in milliseconds. */
const tickMs = 1000

/** Time between checkpoints, in milliseconds. */
const checkpointMs = 2000

/** What happens beside the work of a run. */
export interface BackgroundOptions {
  records: Records
  shared: Shared
  taskId: string
  /** Where results become permanent, now. */
  frontiers: () => Iterable<Frontier>
  /** Whether the run has got anywhere. */
  advanced: () => boolean
  /** Done at every tick. */
  tick: (signal: AbortSignal) => Promise<unknown>
}

/** The loops beside the work of a run: checkpoints, a look whether it was cancelled, the time limit, and the caller's signal. */
export class Background {
  readonly #options: BackgroundOptions
  readonly #ended = new AbortController()
  readonly #loops: Promise<void>[] = []

  constructor(options: BackgroundOptions) {
    this.#options = options
    const { signal } = options.shared.options
    signal?.addEventListener('abort', this.#onSignal, { once: true })
    if (signal?.aborted) this.#onSignal()
  }

  readonly #onSignal = (): void => {
    const { records, shared } = this.#options
    const { stop, transfers } = shared
    this.#loops.push(stop.soon({ kind: 'signal' }, transfers.units, records.clock, this.#ended.signal))
  }

  /** Begins the ticks and the time limit. */
  start(): void {
    this.#loops.push(this.#tick(), this.#limit())
  }

  /** Ends all of it; returns when it has ended. */
  async end(): Promise<void> {
    this.#ended.abort()
    this.#options.shared.options.signal?.removeEventListener('abort', this.#onSignal)
    await Promise.all(this.#loops)
  }

  async #tick(): Promise<void> {
    const { records, shared, taskId } = this.#options
    const { signal } = this.#ended
    const { transfers } = shared
    const { clock } = transfers
    let checkpointAt = clock.now() + checkpointMs
    while (!signal.aborted) {
      try {
        await clock.sleep(tickMs, signal)
        if (await cancelRequested(records, taskId, signal)) shared.stop.now({ kind: 'cancel' })
        if (clock.now() >= checkpointAt) {
          for (const frontier of this.#options.frontiers()) await frontier.checkpointIfFresh()
          checkpointAt = clock.now() + checkpointMs
        }
        await this.#options.tick(signal)
        transfers.progress.touch()
      } catch {
        // A store that is away for a moment: the next tick tries again, and the lease's own watch ends the run when it lasts.
      }
    }
  }

  async #limit(): Promise<void> {
    const { records, shared, advanced } = this.#options
    const { timeLimitMs } = shared.options
    if (timeLimitMs === undefined) return
    try {
      await records.clock.sleep(timeLimitMs, this.#ended.signal)
    } catch {
      return
    }
    await shared.stop.atLimit(shared.transfers.units, records.clock, this.#ended.signal, advanced)
  }
}
