import type { Clock, StowageError } from '@stowage/core'
import type { Units } from '../transfer/index.ts'

/** Why a run ends before everything is done. */
export type StopReason =
  | { kind: 'time' }
  | { kind: 'signal' }
  | { kind: 'cancel' }
  /** The task that this run helped with was ended by the run that has it. */
  | { kind: 'closed' }
  /** Nothing else could succeed. */
  | { kind: 'failed'; error: StowageError }

/** How long pieces under way may take to come to their end, in milliseconds: on a fast link that is enough not to send them again. */
const graceMs = 1000

/** Ends a run early: no new work from now on, and what is under way is aborted. The first reason counts. */
export class StopControl {
  readonly #abort = new AbortController()
  #reason: StopReason | undefined

  /** Fires when everything under way has to end. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get reason(): StopReason | undefined {
    return this.#reason
  }

  /** Ends the run at once. */
  now(reason: StopReason): void {
    this.#reason ??= reason
    this.#abort.abort(reason.kind === 'failed' ? reason.error : undefined)
  }

  /** Whether new work may begin. */
  get stopping(): boolean {
    return this.#reason !== undefined
  }

  /** Begins no new work, and ends the run when what is under way has come to its end, or after a second. @param ended fires when the run ends by itself */
  async soon(reason: StopReason, units: Units, clock: Clock, ended: AbortSignal): Promise<void> {
    if (this.#reason !== undefined) return
    this.#reason = reason
    units.drain(() => this.now(reason))
    await clock.sleep(graceMs, ended).catch(() => undefined)
    this.now(reason)
  }

  /** Ends the run at its time limit: soon if it has got anywhere, else as soon as it has. */
  async atLimit(units: Units, clock: Clock, ended: AbortSignal, advanced: () => boolean): Promise<void> {
    if (this.#reason !== undefined) return
    if (units.finished > 0 || advanced()) await this.soon({ kind: 'time' }, units, clock, ended)
    else units.finishOne(() => this.now({ kind: 'time' }))
  }
}

/** The stop of one of several walks of a run. It ends with the run; what ends it alone leaves the others be. */
export class PartStop extends StopControl {
  readonly #run: StopControl
  readonly #follow = (): void => {
    if (this.#run.reason !== undefined) this.now(this.#run.reason)
  }

  constructor(run: StopControl) {
    super()
    this.#run = run
    run.signal.addEventListener('abort', this.#follow, { once: true })
    if (run.signal.aborted) this.#follow()
  }

  override get stopping(): boolean {
    return super.stopping || this.#run.stopping
  }

  override get reason(): StopReason | undefined {
    return super.reason ?? this.#run.reason
  }

  /** Why this walk alone ended. */
  get own(): StopReason | undefined {
    return super.reason
  }

  /** Listens no more. */
  close(): void {
    this.#run.signal.removeEventListener('abort', this.#follow)
  }
}
