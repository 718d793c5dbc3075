/** Bytes of a stream that are held until some of it was acknowledged, at most. */
const HELD = 64 * 1024 * 1024

/** What is uploaded: bytes, a stream, or a function that gives the stream, as often as it takes. */
export type UploadBody = Uint8Array | AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>)

/**
 * A body that can be sent again: bytes and functions always, a stream until some of it was acknowledged, since what a store has need not
 * be held any longer.
 */
export class Replay {
  readonly #body: UploadBody
  #source: AsyncIterator<Uint8Array> | undefined
  #held: Uint8Array[] = []
  #size = 0
  #isGone = false
  #given = 0

  constructor(body: UploadBody) {
    this.#body = body
  }

  get canRepeat(): boolean {
    return this.#body instanceof Uint8Array || typeof this.#body === 'function' || !this.#isGone
  }

  /** Bytes of it, where they are known before; otherwise 0. */
  get length(): number {
    return this.#body instanceof Uint8Array ? this.#body.length : 0
  }

  /** Counts what was given out, over all attempts. */
  get given(): number {
    return this.#given
  }

  /** The body from its beginning. */
  open(): Uint8Array | AsyncIterable<Uint8Array> {
    if (this.#body instanceof Uint8Array) return this.#body
    return typeof this.#body === 'function' ? this.#counted(this.#body()) : this.#repeated()
  }

  /** Some of it was acknowledged: a stream is held no more. */
  acknowledged(): void {
    this.#isGone = true
    this.#held = []
  }

  /** Ends a stream that was not read to its end. */
  async close(): Promise<void> {
    this.#held = []
    await this.#source?.return?.()
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#given++
      yield chunk
    }
  }

  /** What is held, then what comes. Ending it does not end the stream. */
  async *#repeated(): AsyncGenerator<Uint8Array> {
    yield* this.#held.slice()
    this.#source ??= (this.#body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
    for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) {
      this.#given++
      this.#hold(next.value)
      yield next.value
    }
  }

  #hold(chunk: Uint8Array): void {
    if (this.#isGone) return
    this.#size += chunk.length
    if (this.#size > HELD) this.acknowledged()
    else this.#held.push(chunk)
  }
}
