import { Readable } from 'node:stream'
import type { Pace } from './pace.ts'

/** A body whose bytes come no faster than a pace lets them. While it waits, its source waits too. */
export class PacedBody extends Readable {
  readonly #source: Readable
  readonly #pace: Pace
  readonly #stop = new AbortController()
  #waiting = false
  #ended = false

  constructor(source: Readable, pace: Pace) {
    super({ highWaterMark: 64 * 1024 })
    this.#source = source
    this.#pace = pace
    source.on('data', (chunk: Uint8Array) => void this.#take(chunk))
    source.on('end', () => {
      this.#ended = true
      if (!this.#waiting) this.push(null)
    })
    source.on('error', (error) => this.destroy(error))
    source.on('close', () => {
      if (!this.#ended) this.destroy(source.errored ?? undefined)
    })
    source.pause()
  }

  override _read(): void {
    if (!this.#waiting) this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stop.abort()
    this.#source.destroy()
    callback(error)
  }

  async #take(chunk: Uint8Array): Promise<void> {
    this.#source.pause()
    this.#waiting = true
    try {
      await this.#pace.take(chunk.length, this.#stop.signal)
    } catch {
      // Destroyed while it waited.
      return
    }
    this.#waiting = false
    const wantsMore = this.push(chunk)
    if (this.#ended) this.push(null)
    else if (wantsMore) this.#source.resume()
  }
}
