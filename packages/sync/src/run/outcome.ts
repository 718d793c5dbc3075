import { type ObjectFailure, type StowageError, toStowageError } from '@stowage/core'
import { RunStop } from '../flow/index.ts'

/** How many failures and warnings are kept word for word. */
const kept = 1000

/** Objects refused in a row, with none brought over, that mean: the whole bucket is closed to us. */
const deniedInRow = 16

/** Collects what went wrong. */
export class Outcome {
  readonly errors: ObjectFailure[] = []
  readonly warnings: string[] = []
  /** Conflicts that were settled by the rule for them: they are counted as such, and no failures. */
  settledConflicts = 0
  /** Takes secrets out of what others worded. */
  readonly clean: (words: string) => string
  #denied = 0
  #anyCopied = false

  constructor(clean: (words: string) => string = (words) => words) {
    this.clean = clean
  }

  copied(): void {
    this.#anyCopied = true
    this.#denied = 0
  }

  /**
   * Notes the failure of one object.
   * @throws RunStop when it means that no other object can succeed
   */
  failed(key: string, thrown: unknown): StowageError {
    const error = toStowageError(thrown)
    if (this.errors.length < kept) this.errors.push({ key, code: error.code, message: this.clean(describe(error)) })
    if (error.code === 'no-space' || error.code === 'bucket-not-found') throw new RunStop(error)
    this.#denied = error.code === 'access-denied' ? this.#denied + 1 : 0
    if (this.#denied >= deniedInRow && !this.#anyCopied) throw new RunStop(error)
    return error
  }

  /** Notes failures that another worker of the task, or an earlier run, met. */
  add(failures: readonly ObjectFailure[]): void {
    const known = new Set(this.errors.map(({ key, code }) => `${code} ${key}`))
    for (const failure of failures) {
      if (this.errors.length < kept && !known.has(`${failure.code} ${failure.key}`)) this.errors.push(failure)
    }
  }

  /** An error as results show it. */
  told(error: StowageError): ReturnType<StowageError['toJSON']> {
    const { hint } = error
    const words = { message: this.clean(error.message), ...(hint === undefined ? {} : { hint: this.clean(hint) }) }
    return { ...error.toJSON(), ...words }
  }

  warn(message: string): void {
    if (this.warnings.length < kept) this.warnings.push(message)
  }
}

/** What went wrong and what to do, in one line. */
function describe({ message, hint }: StowageError): string {
  return hint === undefined ? message : `${message} ${hint}`
}
