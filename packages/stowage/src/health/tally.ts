import type { CallEnd, CallWatch, Operation } from '@stowage/adapters/wrappers'
import type { Clock, StowageError } from '@stowage/core'
import { classifyError, type HealthOutcome, type HealthState } from '@stowage/router'
import type { Blame } from './blame.ts'

/** Of calls that only ask, every so many-th is timed. */
const TIMED = 8

/** Calls that ask nobody, or are judged where they are made. */
const silent: ReadonlySet<Operation> = new Set<Operation>(['presign', 'probe', 'diagnose'])

/** What a store takes to answer these is its latency; others take as long as their bytes do. */
const timed: ReadonlySet<Operation> = new Set<Operation>(['head', 'get'])

/** Told of an outcome, and when it was, in milliseconds since the epoch. */
export type Judge = (outcome: HealthOutcome, at: number) => void

/**
 * What is known of one source, and what its calls add to that. Good calls are only counted, and told to the judge together when somebody
 * looks; a failure, and a good call after one, at once.
 */
export class Tally implements CallWatch {
  /** What the judge makes of what it is told. */
  state: HealthState | undefined
  /** Calls under way. */
  load = 0
  readonly #id: string
  readonly #clock: Clock
  readonly #blame: Blame
  #judge: Judge | undefined
  #good = 0
  #goodAt = 0
  #latencyMs: number | undefined
  #untimed = 0

  /**
   * @param id of the adapter, as its errors name it
   * @param blame shared by all sources
   */
  constructor(id: string, clock: Clock, blame: Blame) {
    this.#id = id
    this.#clock = clock
    this.#blame = blame
  }

  /** Says who judges. */
  set judge(judge: Judge) {
    this.#judge = judge
  }

  began(operation: Operation): boolean {
    this.load++
    return timed.has(operation) && this.#untimed++ % TIMED === 0
  }

  ended(operation: Operation, end: CallEnd, ms?: number): void {
    this.load--
    if (silent.has(operation)) return
    if (ms !== undefined) this.#latencyMs = ms
    if (end === 'ok') this.#served()
    else if (end !== 'left') this.#failed(end, this.#blame.ofCall(this.#id, end))
    // Who leaves a body may do so since it stalls: that mends nothing.
    else if (!this.#isWatched) this.#count()
  }

  /** Counts a failure that a reader tells of, unless the call itself told of it: a stall, say, which only the reader sees. */
  report(error: StowageError): void {
    this.#failed(error, this.#blame.ofReader(this.#id, error))
  }

  /** A reader got right bytes: news only where there was trouble, since the call is counted by itself. */
  confirm(): void {
    if (this.#isWatched) this.tell({ ok: true })
  }

  /** Its keys or settings are others now: that those before were refused counts no more. */
  forgive(): void {
    this.settle()
    if (this.state?.broken === true) this.state = { ...this.state, broken: false, consecutiveDenials: 0 }
  }

  /** Tells the judge of an outcome, after all that was before it. */
  tell(outcome: HealthOutcome): void {
    this.settle()
    this.#judge?.(outcome, this.#clock.now())
  }

  /** Tells the judge of what was only counted so far. */
  settle(): void {
    if (this.#good === 0) return
    const times = this.#good
    const latencyMs = this.#latencyMs
    this.#good = 0
    this.#latencyMs = undefined
    this.#judge?.({ ok: true, times, ...(latencyMs === undefined ? {} : { latencyMs }) }, this.#goodAt)
  }

  /** Whether each good call matters by itself. */
  get #isWatched(): boolean {
    const { state } = this
    if (state === undefined) return false
    const failed = state.consecutiveErrors > 0 || state.consecutiveDenials > 0
    return failed || state.broken || state.ejectedUntil !== undefined
  }

  #served(): void {
    this.#count()
    if (this.#isWatched) this.settle()
  }

  #count(): void {
    this.#good++
    this.#goodAt = this.#clock.now()
  }

  #failed(error: StowageError, counts: boolean): void {
    const kind = classifyError(error.code)
    if (!counts || kind === 'silent') return
    if (kind === 'answered' && !this.#isWatched) {
      this.#count()
      return
    }
    const { code, retryAfterMs } = error
    this.tell({ ok: false, code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }
}
