/** A key, and its bytes in UTF-8, so that comparing makes none. */
interface Row {
  readonly key: string
  readonly bytes: Buffer
}

/** Keys in the order of their UTF-8 bytes. Adding, deleting and seeking cost a binary search and at most one move inside the array. */
export class SortedKeys {
  readonly #rows: Row[] = []

  /** Adds a key. One that is there already changes nothing. */
  add(key: string): void {
    const bytes = Buffer.from(key)
    const at = this.#seek(bytes)
    if (this.#rows[at]?.key !== key) this.#rows.splice(at, 0, { key, bytes })
  }

  delete(key: string): void {
    const at = this.#seek(Buffer.from(key))
    if (this.#rows[at]?.key === key) this.#rows.splice(at, 1)
  }

  /** The keys at a position and after it. Nothing may be added or deleted while they are read. */
  *from(position: string): Generator<string> {
    for (let at = this.#seek(Buffer.from(position)); at < this.#rows.length; at++) yield (this.#rows[at] as Row).key
  }

  /** The index of the first key that is not before these bytes. */
  #seek(bytes: Buffer): number {
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare((this.#rows[middle] as Row).bytes, bytes) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
