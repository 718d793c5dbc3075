/** For heads and small answers, in bytes; also what an unused connection holds. */
const small = 16 * 1024
/** For large bodies, in bytes: fewer and larger reads cost a fifth less CPU time than Node's own of 64 KiB. */
const large = 256 * 1024
/** Less than this is copied out, so that a small chunk does not keep a large buffer alive, in bytes. */
const copied = 8 * 1024
/** Buffers that are kept to be read into again. */
const mostFree = 4

/**
 * The memory that a socket reads into. What was given out is not written to again, unless it was given back: new memory for every read
 * costs more than the read.
 */
export class ReceiveBuffer {
  #slab: Buffer = Buffer.allocUnsafeSlow(small)
  #at = 0
  #isKept = false
  readonly #free: Buffer[] = []
  /** Pieces of each that somebody has. */
  readonly #given = new WeakMap<ArrayBufferLike, number>()

  /** Where the next bytes go. */
  next(): Buffer {
    return this.#at === 0 ? this.#slab : this.#slab.subarray(this.#at)
  }

  /** Bytes of the last read, for somebody who may keep them. */
  give(bytes: Buffer): Buffer {
    if (bytes.length < copied) return Buffer.from(bytes)
    this.#isKept = true
    this.#given.set(bytes.buffer, (this.#given.get(bytes.buffer) ?? 0) + 1)
    return bytes
  }

  /** Takes back what {@link give} gave, from one who alone had it. */
  takeBack({ buffer }: Uint8Array): void {
    const given = this.#given.get(buffer)
    if (given === undefined) return
    this.#given.set(buffer, given - 1)
    if (given === 1 && buffer !== this.#slab.buffer) this.#keep(buffer)
  }

  /** After a read of so many bytes: makes room for as many as are expected to come. */
  settle(read: number, expected: number): void {
    if (this.#isKept) this.#at += read
    this.#isKept = false
    const size = expected > small ? large : small
    if (size === small) this.#free.length = 0
    if (this.#slab.length === size && size - this.#at >= size / 4) return
    if (this.#slab.length === size && this.#given.get(this.#slab.buffer) === 0) this.#at = 0
    else {
      this.#slab = (size === large ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(size)
      this.#at = 0
    }
  }

  #keep(buffer: ArrayBufferLike): void {
    const isWanted = this.#slab.length === large && buffer.byteLength === large && this.#free.length < mostFree
    if (isWanted) this.#free.push(Buffer.from(buffer))
  }
}
