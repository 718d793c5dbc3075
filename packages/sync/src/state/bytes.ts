import { StowageError } from '@stowage/core'

/** Appends numbers and texts to a growing buffer: unsigned LEB128 numbers, UTF-8 texts. Makes no object for what it writes. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(4096)
  #length = 0

  number(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
  }

  /** Some of these bytes. */
  piece(bytes: Uint8Array, from: number, to: number): void {
    this.#reserve(to - from)
    for (let i = from; i < to; i++) this.#buffer[this.#length++] = bytes[i] as number
  }

  /** A text, which is of so many bytes. */
  text(text: string, bytes: number, encoding: 'utf8' | 'hex'): void {
    this.#reserve(bytes)
    this.#buffer.write(text, this.#length, bytes, encoding)
    this.#length += bytes
  }

  /** What was written so far. It is only good until more is written. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Begins anew, in the same memory. */
  clear(): void {
    this.#length = 0
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    larger.set(this.finish())
    this.#buffer = larger
  }
}

/** Reads what {@link ByteWriter} wrote; fails with `integrity` instead of reading beyond the end. */
export class ByteReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Bytes to come. */
  get left(): number {
    return this.#buffer.length - this.#at
  }

  get done(): boolean {
    return this.left <= 0
  }

  number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.#buffer[this.#at++]
      if (byte === undefined) throw damagedChunk()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }

  /** Copies the next bytes to a place in a buffer, which has room for them. */
  into(target: Uint8Array, at: number, length: number): void {
    const from = this.#take(length)
    for (let i = 0; i < length; i++) target[at + i] = this.#buffer[from + i] as number
  }

  /** The text that the next bytes are. */
  text(length: number, encoding: 'utf8' | 'hex'): string {
    const from = this.#take(length)
    return this.#buffer.toString(encoding, from, from + length)
  }

  #take(length: number): number {
    const from = this.#at
    if (length > this.left) throw damagedChunk()
    this.#at = from + length
    return from
  }
}

/** What is there is not what was written. */
export function damagedChunk(): StowageError {
  return new StowageError('integrity', 'A ledger chunk is cut short.', { retryable: false })
}
