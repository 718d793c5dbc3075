/** Smaller ones cost less to make than to look after, in bytes. */
const least = 1024 * 1024

/**
 * Memory for pieces that lie in memory while they are moved. It is given back and used again: new memory for each would have to be cleared by
 * the system, and be looked for by the garbage collector, which takes more time than the bytes themselves.
 */
export class Buffers {
  readonly #most: number
  /** By size: powers of two. */
  readonly #free = new Map<number, ArrayBuffer[]>()
  readonly #own = new WeakSet<ArrayBufferLike>()
  #kept = 0

  /** @param most bytes that are kept for later, at most */
  constructor(most: number) {
    this.#most = most
  }

  /** Memory of so many bytes; what is in it is left from before. */
  take(size: number): Uint8Array {
    if (size < least) return Buffer.allocUnsafe(size)
    const whole = 2 ** Math.ceil(Math.log2(size))
    const used = this.#free.get(whole)?.pop()
    if (used !== undefined) this.#kept -= whole
    const buffer = used ?? new ArrayBuffer(whole)
    this.#own.add(buffer)
    return Buffer.from(buffer, 0, size)
  }

  /** Takes memory back, from one who alone had it. What was not taken here is left alone. */
  give({ buffer }: Uint8Array): void {
    if (!this.#own.delete(buffer) || this.#kept + buffer.byteLength > this.#most) return
    const free = this.#free.get(buffer.byteLength) ?? []
    this.#free.set(buffer.byteLength, free)
    free.push(buffer as ArrayBuffer)
    this.#kept += buffer.byteLength
  }
}
