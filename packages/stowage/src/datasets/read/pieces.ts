/**
 * Bytes that come one after the other, kept in pieces. A reader holds the piece that it got last until it gets the next one, so pieces are small
 * where many wait for theirs.
 */
export class Pieces {
  readonly list: Uint8Array[] = []
  readonly #size: number
  #left: number
  #last: Uint8Array = new Uint8Array(0)
  /** Bytes of the last piece that are filled. */
  #filled = 0

  /**
   * @param length bytes that will come
   * @param size bytes of a piece
   */
  constructor(length: number, size: number) {
    this.#left = length
    this.#size = size
  }

  /** Copies the bytes that come next. */
  add(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#filled === this.#last.length) {
        this.#last = Buffer.allocUnsafe(Math.min(this.#size, this.#left))
        this.#filled = 0
        this.list.push(this.#last)
      }
      const part = rest.subarray(0, this.#last.length - this.#filled)
      this.#last.set(part, this.#filled)
      this.#filled += part.length
      this.#left -= part.length
      rest = rest.subarray(part.length)
    }
  }
}
