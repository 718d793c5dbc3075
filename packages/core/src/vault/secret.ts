/** What is shown in place of a secret. */
export const MASK = '[secret]'

/** What `util.inspect` and the console call. */
const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * A text that shows itself to nobody by accident: printed, joined to a text, inspected or turned into JSON it is `[secret]`.
 *
 * @example
 * ```ts
 * const key = new Secret('hunter2')
 * console.log({ key }, `${key}`, JSON.stringify(key)) // { key: [secret] } [secret] "[secret]"
 * sign(key.reveal())
 * ```
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
    Object.defineProperty(this, inspect, { value: () => MASK })
  }

  /** The text itself. Call it where the text is used, and keep the Secret everywhere else. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [Symbol.toPrimitive](): string {
    return MASK
  }
}
