import { type Clock, StowageError, toStowageError } from '@stowage/core'
import { atMost } from './at-most.ts'

/** What a Stowage cannot do its work without. */
export type ReadyPart = 'catalog' | 'queue'

/** Whether a part answers. */
export interface PartReadiness {
  part: ReadyPart
  ready: boolean
  /** Why it is not ready: `timeout` when it did not answer in time. Without secrets. */
  error?: StowageError
}

/** How long is waited for the answers. */
export interface ReadinessOptions {
  /** Milliseconds, at most. @defaultValue 2000 */
  limitMs?: number
}

/** A question to a part that got no answer for so many milliseconds may be lost: another one is asked beside it. */
const lostMs = 10_000

/** Asks a part; `undefined` where there is nothing to ask. */
type Ask = () => Promise<unknown> | undefined

interface Look {
  since: number
  /** With the error, if there was one; never rejects. */
  outcome: Promise<StowageError | undefined>
}

/** Asks the parts whether they answer. However many callers there are, a part that hangs is asked once in ten seconds. */
export class Readiness {
  readonly #clock: Clock
  readonly #asks: Readonly<Record<ReadyPart, Ask>>
  readonly #looks = new Map<ReadyPart, Look>()

  constructor(clock: Clock, asks: Readonly<Record<ReadyPart, Ask>>) {
    this.#clock = clock
    this.#asks = asks
  }

  async ask({ limitMs = 2000 }: ReadinessOptions = {}): Promise<PartReadiness[]> {
    const parts: ReadyPart[] = ['catalog', 'queue']
    const found = parts.map(async (part): Promise<PartReadiness | undefined> => {
      const look = this.#look(part)
      if (look === undefined) return undefined
      const inTime = await atMost(this.#clock, limitMs, look.outcome)
      const error = inTime
        ? await look.outcome
        : new StowageError('timeout', `The ${part} did not answer within ${limitMs} ms.`)
      return error === undefined ? { part, ready: true } : { part, ready: false, error }
    })
    return (await Promise.all(found)).filter((one) => one !== undefined)
  }

  /** The question that is under way, or a new one. */
  #look(part: ReadyPart): Look | undefined {
    const now = this.#clock.now()
    const before = this.#looks.get(part)
    if (before !== undefined && Math.abs(now - before.since) < lostMs) return before
    const asked = begin(this.#asks[part])
    if (asked === undefined) return undefined
    const look: Look = {
      since: now,
      outcome: asked
        .then(
          () => undefined,
          (error: unknown) => toStowageError(error),
        )
        .finally(() => {
          if (this.#looks.get(part) === look) this.#looks.delete(part)
        }),
    }
    this.#looks.set(part, look)
    return look
  }
}

function begin(ask: Ask): Promise<unknown> | undefined {
  try {
    return ask()
  } catch (error) {
    return Promise.reject(error)
  }
}
