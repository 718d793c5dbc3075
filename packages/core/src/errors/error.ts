import type { ErrorCode } from './codes.ts'
import { retryableCodes } from './codes.ts'

const marker = Symbol.for('stowage.error')

/** What a {@link StowageError} is made of. */
export interface StowageErrorOptions {
  /** The lower-level error that caused this one. Never shown to users unless they ask for details. */
  cause?: unknown
  /**
   * Whether the same call may succeed later.
   * @defaultValue what the code implies, see {@link retryableCodes}
   */
  retryable?: boolean
  /** How long the store asked us to wait, in milliseconds (from `Retry-After`). */
  retryAfterMs?: number
  /** The object key the error is about. */
  key?: string
  /** The id of the source the error is about. */
  sourceId?: string
  /** The configuration field or option the error is about, as a dotted path such as `sources[0].bucket`. */
  field?: string
  /** One sentence: what the reader can do about it. */
  hint?: string
}

/**
 * The one error class of Stowage. Everything that fails on purpose fails with one of these.
 *
 * `code` is stable and meant for programs, `message` is one line meant for people. Recognise it with
 * {@link StowageError.isInstance}, which also works when two copies of the package are installed.
 *
 * @example
 * ```ts
 * try {
 *   await adapter.head('missing')
 * } catch (error) {
 *   if (StowageError.isInstance(error) && error.code === 'not-found') return undefined
 *   throw error
 * }
 * ```
 */
export class StowageError extends Error {
  override readonly name = 'StowageError'
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly key: string | undefined
  readonly sourceId: string | undefined
  readonly field: string | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: StowageErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    Object.defineProperty(this, marker, { value: true })
    this.code = code
    this.retryable = options.retryable ?? retryableCodes.has(code)
    this.retryAfterMs = options.retryAfterMs
    this.key = options.key
    this.sourceId = options.sourceId
    this.field = options.field
    this.hint = options.hint
  }

  /** True for a StowageError, also one made by another installed copy of this package. */
  static isInstance(value: unknown): value is StowageError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[marker] === true
  }

  /** A plain object for `--json` output, task records and events. Leaves out the cause and the stack. */
  toJSON(): { code: ErrorCode; message: string; key?: string; sourceId?: string; field?: string; hint?: string } {
    return {
      code: this.code,
      message: this.message,
      ...(this.key === undefined ? {} : { key: this.key }),
      ...(this.sourceId === undefined ? {} : { sourceId: this.sourceId }),
      ...(this.field === undefined ? {} : { field: this.field }),
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    }
  }
}

/** True when `value` is a {@link StowageError} with this code (or one of these codes). */
export function hasCode<C extends ErrorCode>(value: unknown, ...codes: C[]): value is StowageError & { code: C } {
  return StowageError.isInstance(value) && (codes as ErrorCode[]).includes(value.code)
}

/**
 * Makes a StowageError of anything that was thrown: a StowageError stays itself, an abort becomes `aborted`, the rest `internal`.
 * Adapters map their vendor's errors before this is reached.
 */
export function toStowageError(value: unknown, signal?: AbortSignal): StowageError {
  if (StowageError.isInstance(value)) return value
  if (signal?.aborted || (value instanceof Error && value.name === 'AbortError')) {
    return new StowageError('aborted', 'The operation was aborted.', { cause: value })
  }
  const message = value instanceof Error ? value.message : String(value)
  return new StowageError('internal', message, { cause: value })
}

/** Throws `aborted` when the signal has fired. Call it between steps of long work. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StowageError('aborted', 'The operation was aborted.', { cause: signal.reason })
}
