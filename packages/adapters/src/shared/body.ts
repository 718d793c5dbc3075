import { Readable } from 'node:stream'
import { StowageError } from '@stowage/core'
import type { Flow } from './flow.ts'

/** Where a body comes from: what {@link ExactBody} needs of a `Readable`. */
export interface BodySource {
  readonly readableEnded: boolean
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  pause(): unknown
  resume(): unknown
  destroy(): unknown
  /** Takes back a chunk that nobody looks at any more, to read into it again. */
  takeBack?(chunk: Uint8Array): void
}

/** How {@link ExactBody} watches its bytes. */
export interface ExactBodyOptions {
  /** Bytes that must come. */
  length: number
  /** What the bytes are, for messages, such as `lan: "a/b.txt"`. */
  what: string
  signal?: AbortSignal | undefined
  /** Makes a StowageError of what the stream failed with. */
  mapError: (error: unknown) => StowageError
  /** Milliseconds that the reader may wait for the next chunk, 0 for any time. */
  stallMs?: number
  /** Sees every chunk. */
  onChunk?: (chunk: Uint8Array) => void
  /** Called when all bytes came, before the end is told; may throw. */
  onEnd?: () => void
}

/**
 * A stream that delivers exactly the promised bytes or fails: it counts them, watches for a source that stalls, and maps errors. The last
 * chunk comes when everything is known to be right, so that nobody has all of what is wrong.
 * Destroying it, or the signal, destroys the source.
 */
export class ExactBody extends Readable {
  readonly #source: BodySource
  readonly #options: ExactBodyOptions
  readonly #onAbort = (): void => {
    this.destroy(aborted(this.#options.signal))
  }
  #received = 0
  /** The chunk that makes the body complete, until it is known to be what it should. */
  #last: Uint8Array | undefined
  /** The attempt that sends these bytes on. */
  #flow: Pick<Flow, 'touch' | 'signal'> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(source: BodySource, options: ExactBodyOptions) {
    super({ highWaterMark: 256 * 1024 })
    this.#source = source
    this.#options = options
    source.on('data', (chunk: Uint8Array) => this.#take(chunk))
    source.on('end', () => this.#end())
    source.on('error', (error) => this.destroy(this.#failure(error)))
    source.on('close', () => {
      // A socket that closes without `end` cut the body short; after `end` this changes nothing.
      if (!this.readableEnded && !source.readableEnded) this.destroy(this.#cutShort())
    })
    source.pause()
    if (options.signal?.aborted) this.#onAbort()
    else options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * Sends these bytes on as the body of another request, without a layer between, when they are exactly what that is to have.
   * @returns `false` when they are not, or were read already, or somebody else reads them
   */
  passTo(flow: Pick<Flow, 'touch' | 'signal'>, size: number): boolean {
    if (size !== this.#options.length || this.#received > 0 || this.destroyed || this.#flow !== undefined) return false
    if (this.readableFlowing !== null) return false
    this.#flow = flow
    const onAbort = (): void => {
      this.destroy(aborted(flow.signal))
    }
    if (flow.signal.aborted) onAbort()
    flow.signal.addEventListener('abort', onAbort, { once: true })
    this.once('close', () => flow.signal.removeEventListener('abort', onAbort))
    return true
  }

  /** Gives a chunk of what was passed on, whole or in pieces, back to its source, when it has been sent. */
  takeBack(chunk: Uint8Array): void {
    if (this.listenerCount('data') < 2) this.#source.takeBack?.(chunk)
  }

  override _read(): void {
    this.#watch()
    this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#unwatch()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#source.destroy()
    callback(error)
  }

  #take(chunk: Uint8Array): void {
    if (this.destroyed) return
    this.#received += chunk.length
    if (this.#received > this.#options.length) {
      this.destroy(this.#wrongLength())
      return
    }
    this.#options.onChunk?.(chunk)
    this.#flow?.touch()
    if (this.#received === this.#options.length) this.#last = chunk
    else if (this.push(chunk)) this.#watch()
    else {
      this.#unwatch()
      this.#source.pause()
    }
  }

  #end(): void {
    this.#unwatch()
    if (this.#received !== this.#options.length) {
      this.destroy(this.#cutShort())
      return
    }
    try {
      this.#options.onEnd?.()
    } catch (error) {
      this.destroy(this.#options.mapError(error))
      return
    }
    if (this.#last !== undefined) this.push(this.#last)
    this.push(null)
  }

  /** Time runs only while the reader waits for the source, never while the source waits for a slow reader. */
  #watch(): void {
    const { stallMs } = this.#options
    if (stallMs === undefined || stallMs <= 0) return
    if (this.#timer !== undefined) this.#timer.refresh()
    else this.#timer = setTimeout(() => this.destroy(this.#stalled(stallMs)), stallMs)
  }

  #unwatch(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #stalled(ms: number): StowageError {
    return new StowageError('timeout', `${this.#options.what}: no bytes came for ${ms} ms.`)
  }

  /** A connection that broke cut the body short, which is what the reader wants to know; anything else keeps its meaning. */
  #failure(error: unknown): StowageError {
    const mapped = this.#options.mapError(error)
    return mapped.code === 'unavailable' ? this.#cutShort(mapped) : mapped
  }

  #cutShort(cause?: unknown): StowageError {
    const { what, length } = this.#options
    return new StowageError('integrity', `${what} was cut short: ${this.#received} of ${length} bytes came.`, {
      cause,
    })
  }

  #wrongLength(): StowageError {
    return new StowageError(
      'integrity',
      `${this.#options.what}: more than the promised ${this.#options.length} bytes came.`,
    )
  }
}

/** The error of a call whose signal fired. */
export function aborted(signal: AbortSignal | undefined): StowageError {
  return new StowageError('aborted', 'The operation was aborted.', { cause: signal?.reason })
}
