import { createRedactor, type ObjectFailure, type Redactor, type StowageError, toStowageError } from '@stowage/core'
import { UploadError } from '../datasets/index.ts'
import { printable } from './format.ts'
import { type BarStream, ProgressBar } from './progress-bar.ts'

/** The outside of one run of the command line. */
export interface Io {
  stdout: { write(text: string | Uint8Array): unknown }
  stderr: BarStream
  cwd: string
  env: Record<string, string | undefined>
  /** Fires on SIGINT and SIGTERM. */
  signal: AbortSignal
  /** The whole standard input. */
  readStdin(): Promise<string>
}

export interface OutputOptions {
  json?: boolean
  quiet?: boolean
  verbose?: boolean
}

const blind = createRedactor()
const asItIs = createRedactor([], { forms: false })

/** What a command says: one JSON document or text on stdout; progress, notes and errors on stderr. */
export class Output {
  readonly io: Io
  readonly json: boolean
  readonly #quiet: boolean
  readonly #verbose: boolean
  /** Takes secrets out of what others worded: errors, notes. The one that knows the sources' own comes with them. */
  redactor: () => Redactor = () => blind
  /** Takes secrets out of results, where they are by accident. */
  resultRedactor: () => Redactor = () => asItIs

  constructor(io: Io, options: OutputOptions) {
    this.io = io
    this.json = options.json === true
    this.#quiet = options.quiet === true
    this.#verbose = options.verbose === true
  }

  /** The command's result: the value as JSON, or the text. */
  result(value: unknown, text: string): void {
    const clean = this.resultRedactor()
    if (this.json) this.io.stdout.write(`${JSON.stringify(value, (_, item) => cleaned(item, clean), 2)}\n`)
    else if (!this.#quiet && text !== '') this.io.stdout.write(`${clean.text(text)}\n`)
  }

  /** A line of a result that comes piece by piece; {@link result} ends it. In JSON it is left out. */
  line(text: string): void {
    if (!this.json && !this.#quiet) this.io.stdout.write(`${this.resultRedactor().text(text)}\n`)
  }

  /** Something worth knowing on the way. */
  note(text: string): void {
    if (!this.#quiet) this.io.stderr.write(`${this.redactor().text(text)}\n`)
  }

  /** Objects that failed, one a line. */
  failures(failures: readonly ObjectFailure[]): void {
    for (const { key, code, message } of failures)
      this.io.stderr.write(`failed: ${printable(key)} [${code}] ${printable(this.redactor().text(message))}\n`)
  }

  /** A progress bar, drawn only on a terminal. */
  bar(): ProgressBar {
    return new ProgressBar(this.io.stderr, !this.#quiet)
  }

  /** One line with the code and what to do; the stack only with `--verbose`. */
  error(cause: unknown): void {
    const error = toStowageError(this.redactor().value(cause), this.io.signal)
    const failures = error instanceof UploadError ? error.failures : []
    if (this.json) {
      const errors = failures.length === 0 ? {} : { errors: failures }
      this.io.stdout.write(`${JSON.stringify({ status: 'failed', error: error.toJSON(), ...errors }, null, 2)}\n`)
    }
    if (failures.length > 1) this.failures(failures)
    this.io.stderr.write(`${describeError(error)}\n`)
    if (this.#verbose) this.io.stderr.write(`${stackOf(error)}\n`)
  }
}

/** What JSON is made of, names of fields included. */
function cleaned(item: unknown, { text }: Redactor): unknown {
  if (typeof item === 'string') return text(item)
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return item
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [text(name), value]))
}

/** `stowage: error [code]: message hint` on one line. */
export function describeError(error: StowageError): string {
  const hint = error.hint === undefined ? '' : ` ${error.hint}`
  return printable(`stowage: error [${error.code}]: ${error.message.replace(/\s*\n\s*/g, ' ')}${hint}`)
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : ''
  return `${error.stack ?? error.message}${cause}`
}
