import { type Clock, StowageError } from '@stowage/core'

/** How a circuit is judged. Times in milliseconds. */
export interface CircuitSettings {
  readonly failures: number
  readonly openMs: number
  readonly maxOpenMs: number
}

/** What one call has to report. */
export interface Trial {
  /** The answer came, and a body follows that its reader may take any time for. */
  answered(): void
  succeeded(): void
  failed(error: StowageError): void
}

/**
 * One circuit. Closed, it lets calls through and counts failures in a row; open, it refuses them for a time that grows with every
 * opening; then half open, it lets one call through, which closes or opens it.
 */
export class Circuit {
  readonly #settings: CircuitSettings
  readonly #clock: Clock
  readonly #changed: (state: 'open' | 'closed') => void
  #failures = 0
  #openings = 0
  /** Until when it is open; `undefined` while it is closed. */
  #until: number | undefined
  /** When the one call of the half-open state began. */
  #trialSince: number | undefined

  constructor(settings: CircuitSettings, clock: Clock, changed: (state: 'open' | 'closed') => void) {
    this.#settings = settings
    this.#clock = clock
    this.#changed = changed
  }

  /** Lets a call begin, or says for how many milliseconds it is refused. */
  begin(): Trial | number {
    if (this.#until === undefined) return this.#ordinary()
    const now = this.#clock.now()
    if (now < this.#until) return this.#until - now
    // A trial that never ends must not keep it shut for ever.
    if (this.#trialSince !== undefined && now - this.#trialSince < this.#settings.openMs) {
      return this.#settings.openMs - (now - this.#trialSince)
    }
    this.#trialSince = now
    return this.#trial(now)
  }

  /** Whatever was: the store serves. */
  close(): void {
    this.#failures = 0
    this.#openings = 0
    this.#trialSince = undefined
    if (this.#until === undefined) return
    this.#until = undefined
    this.#changed('closed')
  }

  #ordinary(): Trial {
    return {
      answered: () => {},
      // What began before it opened and ends after says nothing of now.
      succeeded: () => {
        if (this.#until === undefined) this.#failures = 0
      },
      failed: (error) => {
        if (this.#until !== undefined) return
        const verdict = verdictOf(error)
        if (verdict === 'answered') this.#failures = 0
        if (verdict !== 'failing') return
        this.#failures++
        if (this.#failures >= this.#settings.failures) this.#open()
      },
    }
  }

  #trial(begun: number): Trial {
    const isCurrent = (): boolean => this.#trialSince === begun
    const succeeded = (): void => {
      if (isCurrent()) this.close()
    }
    return {
      answered: succeeded,
      succeeded,
      failed: (error) => {
        if (!isCurrent()) return
        const verdict = verdictOf(error)
        if (verdict === 'answered') this.close()
        else if (verdict === 'failing') this.#open()
        else this.#trialSince = undefined
      },
    }
  }

  #open(): void {
    const { openMs, maxOpenMs } = this.#settings
    this.#failures = 0
    this.#trialSince = undefined
    this.#openings++
    this.#until = this.#clock.now() + Math.min(maxOpenMs, openMs * this.#openings)
    this.#changed('open')
  }
}

/** `failing` counts; `answered` is the store at work, whatever it said; `silent` is our own giving up. */
function verdictOf(error: StowageError): 'failing' | 'answered' | 'silent' {
  if (error.code === 'unavailable' || error.code === 'timeout') return 'failing'
  if (error.code === 'aborted') return 'silent'
  // A body that the connection cut short.
  if (error.code === 'integrity' && StowageError.isInstance(error.cause)) return verdictOf(error.cause)
  return error.code === 'internal' || error.code === 'configuration' ? 'silent' : 'answered'
}
