import { Readable } from 'node:stream'
import type { StowageError } from '@stowage/core'
import { aborted } from './body.ts'
import type { ChecksumCheck } from './checksum.ts'
import type { Flow } from './flow.ts'

/** What {@link ExpectedBody} watches for. */
export interface BodyExpectations {
  /** Bytes that must come. */
  size: number
  check: ChecksumCheck | undefined
  /** The error for another number of bytes. */
  wrongLength: (actual: string) => StowageError
}

/**
 * Passes a stream on event by event, without a promise a chunk, and holds the last chunk back until length and checksum are right: what is
 * wrong never reaches the store whole. It ends with the attempt that sends it, and its source with it.
 */
export class ExpectedBody extends Readable {
  readonly #source: Readable
  readonly #expected: BodyExpectations
  readonly #flow: Flow
  readonly #onAbort = (): void => {
    this.destroy(aborted(this.#flow.signal))
  }
  #received = 0
  #held: Uint8Array | undefined

  constructor(source: Readable, expected: BodyExpectations, flow: Flow) {
    super({ highWaterMark: 256 * 1024 })
    this.#source = source
    this.#expected = expected
    this.#flow = flow
    const { signal } = flow
    if (signal.aborted) this.#onAbort()
    else signal.addEventListener('abort', this.#onAbort, { once: true })
    // What happened before nobody tells again.
    if (source.errored !== null) this.destroy(source.errored)
    else if (source.readableEnded) this.#end()
    else if (source.destroyed) this.destroy(expected.wrongLength('nothing'))
    source.on('data', (chunk: Uint8Array) => this.#take(chunk))
    source.on('end', () => this.#end())
    source.on('error', (error) => this.destroy(error))
    source.on('close', () => {
      if (!source.readableEnded) this.destroy(expected.wrongLength(`${this.#received}`))
    })
    source.pause()
  }

  override _read(): void {
    this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#flow.signal.removeEventListener('abort', this.#onAbort)
    this.#source.destroy()
    callback(error)
  }

  #take(chunk: Uint8Array): void {
    if (this.destroyed || chunk.length === 0) return
    this.#flow.touch()
    this.#received += chunk.length
    const { size, check, wrongLength } = this.#expected
    if (this.#received > size) {
      this.destroy(wrongLength('more'))
      return
    }
    check?.update(chunk)
    if (this.#received === size) this.#held = chunk
    else if (!this.push(chunk)) this.#source.pause()
  }

  #end(): void {
    if (this.destroyed) return
    const { size, check, wrongLength } = this.#expected
    try {
      if (this.#received !== size) throw wrongLength(`${this.#received}`)
      check?.finish()
    } catch (error) {
      this.destroy(error as Error)
      return
    }
    this.#flow.touch()
    if (this.#held !== undefined) this.push(this.#held)
    this.push(null)
  }
}
