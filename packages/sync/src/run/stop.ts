import type { StowageError } from '@stowage/core'
import type { Units } from '../transfer/index.ts'

/** Why a run ends before everything is done. */
export type StopReason =
  | { kind: 'time' }
  | { kind: 'signal' }
  | { kind: 'cancel' }
  /** Nothing else could succeed. */
  | { kind: 'failed'; error: StowageError }

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

  /** Ends the run at its time limit: at once if it has got anywhere, else as soon as it has. */
  atLimit(units: Units, advanced: () => boolean): void {
    if (this.#reason !== undefined) return
    if (units.finished > 0 || advanced()) this.now({ kind: 'time' })
    else units.finishOne(() => this.now({ kind: 'time' }))
  }
}
