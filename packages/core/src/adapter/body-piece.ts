import { Readable } from 'node:stream'
import { StowageError } from '../errors/index.ts'

/** A body that reads into the same memory again, where it gets it back. */
interface Reusing {
  takeBack?(chunk: Uint8Array): void
}

/**
 * The next bytes of a body as a body of their own, so that what comes by one request can be sent on by several, one after the other. It takes
 * exactly `size` bytes, leaves the rest where it is, and fails as the body fails. Whoever gives a piece up before its end gives up the body.
 *
 * @example
 * ```ts
 * const { body } = await source.get('large', { range: { start: 0, length: 2 * partSize } })
 * for (const number of [1, 2]) {
 *   await target.multipart.uploadPart('large', uploadId, number, new BodyPiece(body, partSize), { size: partSize })
 * }
 * ```
 */
export class BodyPiece extends Readable {
  /** bytes */
  readonly size: number
  readonly body: Readable & Reusing
  /** Told of each chunk that comes. */
  onChunk: (() => void) | undefined
  #left: number
  /** The beginning of a chunk that reaches over the end of this piece: its memory is given back with the rest of it. */
  #shared: Uint8Array | undefined
  readonly #onData = (chunk: Uint8Array): void => this.#take(chunk)
  readonly #onEnd = (): void => void this.destroy(this.#cutShort())
  readonly #onError = (error: Error): void => void this.destroy(error)
  readonly #onClose = (): void => void this.destroy(this.body.errored ?? this.#cutShort())

  /**
   * @param body of which nothing is read meanwhile
   * @param size bytes, at least 1
   */
  constructor(body: Readable & Reusing, size: number) {
    super({ highWaterMark: 256 * 1024 })
    this.body = body
    this.size = size
    this.#left = size
    // What happened before nobody tells again.
    if (body.errored !== null) this.destroy(body.errored)
    else if (body.readableEnded || body.destroyed) this.destroy(this.#cutShort())
    else body.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    body.pause()
  }

  /** Gives back a chunk that nobody looks at any more. Only for one who alone reads this piece. */
  takeBack(chunk: Uint8Array): void {
    if (chunk !== this.#shared) this.body.takeBack?.(chunk)
  }

  override _read(): void {
    if (this.#left > 0) this.body.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#left > 0) {
      this.#leave()
      // What it fails with now nobody waits for.
      this.body.on('error', () => {})
      this.body.destroy()
    }
    callback(error)
  }

  #take(chunk: Uint8Array): void {
    if (this.destroyed || chunk.length === 0) return
    this.onChunk?.()
    const own = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk
    this.#left -= own.length
    if (this.#left > 0) {
      if (!this.push(own)) this.body.pause()
      return
    }
    this.body.pause()
    this.#leave()
    if (own !== chunk) {
      this.#shared = own
      this.body.unshift(chunk.subarray(own.length))
    }
    this.push(own)
    this.push(null)
  }

  #leave(): void {
    this.body.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
  }

  #cutShort(): StowageError {
    return new StowageError('integrity', `The body was cut short: ${this.#left} of ${this.size} bytes are missing.`)
  }
}
