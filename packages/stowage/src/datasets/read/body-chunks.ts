import type { Readable } from 'node:stream'
import { StowageError } from '@stowage/core'

/** Bytes that wait for their reader before the body is told to wait too. */
const MOST_WAITING = 512 * 1024

/** A body of which some read into the same memory again, where they get it back. */
type Body = Readable & { takeBack?(chunk: Uint8Array): void }

/** The chunks of a body as they come. `for await` would copy those that wait into one, and cost a promise for each. */
export class BodyChunks {
  readonly #body: Body
  readonly #waiting: Uint8Array[] = []
  #bytes = 0
  #failure: Error | undefined
  #isOver = false
  #wake: (() => void) | undefined

  constructor(body: Body) {
    this.#body = body
    // What happened before nobody tells again.
    if (body.errored !== null) this.#end(body.errored)
    else if (body.readableEnded) this.#end()
    else if (body.destroyed) this.#end(cutShort())
    body.on('data', (chunk: Uint8Array) => this.#take(chunk))
    body.on('end', () => this.#end())
    body.on('error', (error) => this.#end(error))
    body.on('close', () => this.#end(cutShort()))
    body.pause()
  }

  /** A chunk that is there already. */
  poll(): Uint8Array | undefined {
    const chunk = this.#waiting.shift()
    if (chunk !== undefined) this.#bytes -= chunk.length
    return chunk
  }

  /** The chunk that comes next; `undefined` at the end. @throws what the body failed with */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.poll()
      if (chunk !== undefined) return chunk
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isOver) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#body.resume()
      })
    }
  }

  /** Gives back a chunk that nobody looks at any more: new memory for every read costs more than the read. */
  takeBack(chunk: Uint8Array): void {
    this.#body.takeBack?.(chunk)
  }

  destroy(): void {
    this.#body.destroy()
  }

  #take(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#waiting.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes >= MOST_WAITING) this.#body.pause()
    this.#wake?.()
  }

  /** The first that tells of the end is right. */
  #end(failure?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#failure = failure
    this.#wake?.()
  }
}

function cutShort(): StowageError {
  return new StowageError('unavailable', 'The body was closed before its end.')
}
