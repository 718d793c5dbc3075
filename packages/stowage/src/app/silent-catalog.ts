import { type Clock, type Events, toStowageError } from '@stowage/core'

/** A catalog that comes and goes is told of at most so often, in milliseconds. */
const againMs = 60_000

/** What a process keeps of the catalog and goes by while that does not answer. */
export type KnownPart = 'sources' | 'rules'

/** Tells once, as an alert, that the catalog does not answer, whoever finds out, until it has answered again. */
export class SilentCatalog {
  readonly #clock: Clock
  readonly #events: Events
  readonly #silent = new Set<KnownPart>()
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, events: Events) {
    this.#clock = clock
    this.#events = events
  }

  /** Somebody goes on with what is known of a part. @param error what the catalog failed with; absent when it is only silent */
  silent(part: KnownPart, error?: unknown): void {
    const isNew = this.#silent.size === 0
    this.#silent.add(part)
    const now = this.#clock.now()
    if (!isNew || Math.abs(now - this.#toldAt) < againMs) return
    this.#toldAt = now
    const why = error === undefined ? '' : `: ${toStowageError(error).message}`
    this.#events.emit('alert', {
      severity: 'warning',
      code: error === undefined ? 'timeout' : toStowageError(error).code,
      message: `The catalog does not answer. Decisions go on with the sources and routing rules that are known${why}`,
    })
  }

  /** The catalog answered for a part. */
  answered(part: KnownPart): void {
    this.#silent.delete(part)
  }
}
