/** Which way bytes go: `up` from the client to the server, `down` back. */
export type Direction = 'up' | 'down'

/**
 * What a fault does to the connection that it hits: `cut` closes it in an orderly way, `reset` with a TCP reset, `stall`
 * keeps it open and moves nothing more, `truncate` ends this direction alone and swallows the rest of it, `corrupt`
 * inverts the one byte that follows.
 */
export type FaultKind = 'cut' | 'reset' | 'stall' | 'truncate' | 'corrupt'

export interface Fault {
  readonly kind: FaultKind
  /** @defaultValue `'down'` */
  readonly direction?: Direction
  /** Bytes that still pass, counted over all connections from the moment the fault is added or has last hit. */
  readonly after: number
  /** How often it hits; @defaultValue 1 */
  readonly times?: number
}

/** A fault with its count of bytes and hits. */
export class ArmedFault {
  readonly kind: FaultKind
  readonly direction: Direction
  readonly #after: number
  #left: number
  #times: number

  constructor({ kind, direction = 'down', after, times = 1 }: Fault) {
    if (!(after >= 0)) throw new RangeError(`after is ${after}`)
    this.kind = kind
    this.direction = direction
    this.#after = after
    this.#left = after
    this.#times = times
  }

  /** Counts `length` bytes; the offset at which the fault hits them, or `undefined`. */
  pass(length: number): number | undefined {
    if (this.#times <= 0) return undefined
    if (this.#left >= length) {
      this.#left -= length
      return undefined
    }
    const offset = this.#left
    this.#times--
    this.#left = this.#after
    return offset
  }
}
