import { hasCode, StowageError } from '@stowage/core'
import type { InFlight, Semaphore, SourceLimit, Turn } from '../flow/index.ts'

interface Unit {
  controller: AbortController
  givenUp: boolean
}

/**
 * The pieces that are being moved: whole small objects, and parts. A unit is what can be lost by a crash, so their bytes in flight are
 * bounded. On a stop they end at once; at a time limit, when the run has not brought anything over yet, the oldest unit may finish
 * first, so that even the slowest link gets on by one unit a run.
 */
export class Units {
  readonly #slots: Semaphore
  readonly #memory: Semaphore
  readonly #inFlight: InFlight
  readonly #sources: readonly SourceLimit[]
  #running: Unit[] = []
  #finished = 0
  #lastOne: (() => void) | undefined
  #drained: (() => void) | undefined

  constructor(slots: Semaphore, memory: Semaphore, inFlight: InFlight, sources: readonly SourceLimit[]) {
    this.#slots = slots
    this.#memory = memory
    this.#inFlight = inFlight
    this.#sources = sources
  }

  /** Units that came to their end. */
  get finished(): number {
    return this.#finished
  }

  /** How many pieces may be under way at once now, as far as it is up to requests. */
  get atOnce(): number {
    let most = this.#slots.capacity
    for (const { limit } of this.#sources) most = Math.min(most, limit)
    return most
  }

  /** Makes room for two pieces of this size, in bytes, which are about to come. */
  expect(bytes: number): void {
    this.#inFlight.hold(bytes)
  }

  /** How many pieces of this size, in bytes, have room at once. */
  roomFor(bytes: number): number {
    return Math.max(1, Math.floor(this.#memory.capacity / Math.max(1, bytes)))
  }

  /** Does one piece of work when there is room for its bytes and a slot. The signal must fire when the run is stopped. */
  run<T>(bytes: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#run(bytes, bytes, signal, work)
  }

  /** Does, as {@link run} does, one piece of work whose bytes pass as they come: they do not lie in memory. */
  pass<T>(bytes: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#run(bytes, () => this.#inFlight.weightOf(bytes), signal, work)
  }

  async #run<T>(
    bytes: number,
    weight: number | (() => number),
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const unit: Unit = { controller: new AbortController(), givenUp: false }
    // By hand, since it is done for every object: a composite signal costs several times as much.
    const stop = (): void => unit.controller.abort(signal.reason)
    this.#inFlight.hold(bytes)
    const giveMemory = await this.#memory.acquire(weight, signal)
    try {
      const giveSlot = await this.#slots.acquire(1, signal)
      const turns: Turn[] = []
      let passed = false
      signal.addEventListener('abort', stop, { once: true })
      try {
        // In one order everywhere, so that no two tasks wait for each other.
        for (const source of this.#sources) turns.push(await source.acquire(this, bytes, signal))
        if (this.#drained !== undefined) unit.givenUp = true
        if (unit.givenUp) throw stopped()
        const result = await this.#count(unit, work)
        this.#inFlight.passed(bytes)
        passed = true
        return result
      } catch (error) {
        if (hasCode(error, 'throttled')) for (const source of this.#sources) source.throttled(error)
        throw error
      } finally {
        signal.removeEventListener('abort', stop)
        for (const turn of turns) turn.end(passed)
        giveSlot()
      }
    } catch (error) {
      giveMemory()
      // Given up in favour of another unit: no failure of this one, so it waits for the end with the rest.
      if (unit.givenUp && !signal.aborted) await aborted(signal)
      throw error
    } finally {
      giveMemory()
    }
  }

  /** Starts no unit any more, lets those that run come to their end, and calls back then. */
  drain(then: () => void): void {
    this.#drained = then
    if (this.#running.length === 0) then()
  }

  /** Ends all units but the oldest, starts no second one, and calls back when one has ended. */
  finishOne(then: () => void): void {
    this.#lastOne = then
    this.#slots.resize(1)
    for (const unit of this.#running.slice(1)) {
      unit.givenUp = true
      unit.controller.abort(stopped())
    }
  }

  async #count<T>(unit: Unit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#running.push(unit)
    try {
      const result = await work(unit.controller.signal)
      this.#finished++
      return result
    } finally {
      this.#running.splice(this.#running.indexOf(unit), 1)
      if (!unit.givenUp) this.#lastOne?.()
      if (this.#running.length === 0) this.#drained?.()
    }
  }
}

function stopped(): StowageError {
  return new StowageError('aborted', 'The run was stopped.')
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
