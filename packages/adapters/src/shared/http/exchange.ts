import { Readable } from 'node:stream'
import { BodyPiece, StowageError } from '@stowage/core'
import { type BodySource, ExactBody } from '../body.ts'
import type { Flow } from '../flow.ts'
import type { HttpPool } from './pool.ts'
import type { AnswerControl, AnswerHandler, HttpRequest } from './request.ts'

/** An answer that is read whole is never as long as this, in bytes: a page of 1,000 keys of 1,024 bytes, each encoded, is 4 MiB. */
const longestText = 32 * 1024 * 1024
/** Bytes of a body that are kept for a reader that is not there yet, before the connection stops. */
const mostHeld = 64 * 1024

type Listeners = {
  data?: (chunk: Uint8Array) => void
  end?: () => void
  close?: () => void
  error?: (error: Error) => void
}

/**
 * Sends one request and waits for its answer.
 * @param streams whether the body of a good answer is handed on instead of read whole
 */
export async function exchange(
  pool: HttpPool,
  request: Omit<HttpRequest, 'onSent'>,
  flow: Flow,
  streams: boolean,
): Promise<Exchange> {
  const { body } = request
  const answer = new Exchange(flow, streams)
  // What another of our requests reads goes straight through here, and its memory back to be read into.
  const passes = body instanceof ExactBody || body instanceof BodyPiece
  const onSent = passes ? (chunk: Uint8Array): void => body.takeBack(chunk) : undefined
  pool.dispatch({ ...request, onSent }, answer)
  try {
    return await answer.answered
  } finally {
    // The store may answer before it has all bytes: nobody will read the rest. What lies in memory may be sent again.
    if (body instanceof Readable) flow.cancel()
  }
}

/**
 * One request and its answer, as its connection reports them. The answer is read whole, or, where that was asked for and the store agreed, its
 * body is handed on chunk by chunk as the reader takes them.
 */
export class Exchange implements AnswerHandler, BodySource {
  /** Settles when the answer is there: with its body read, or with its body to be read from this exchange. */
  readonly answered: Promise<this>
  status = 0
  headers: Readonly<Record<string, string>> = {}
  readableEnded = false
  readonly #flow: Flow
  readonly #streams: boolean
  readonly #chunks: Buffer[] = []
  readonly #listeners: Listeners = {}
  #length = 0
  #resolve: (answer: this) => void = () => {}
  #reject: (error: Error) => void = () => {}
  #control: AnswerControl | undefined
  #streaming = false
  #over = false
  #failure: Error | undefined
  #stopped = false
  #flowing = false
  #told = false

  /** @param streams whether the body of a good answer is handed on instead of read whole */
  constructor(flow: Flow, streams: boolean) {
    this.#flow = flow
    this.#streams = streams
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    flow.onStop = () => this.#stop()
    if (flow.stopped) this.#stop()
  }

  /** The body of an answer that was read whole. */
  get bytes(): Buffer {
    const [first] = this.#chunks
    return this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks)
  }

  header(name: string): string | undefined {
    return this.headers[name]
  }

  onStart(control: AnswerControl): void {
    this.#control = control
    // It was given up while it waited for a connection. Thrown: `abort` would close the connection, which is fit for the next.
    if (this.#over) throw stopped()
  }

  onHead(status: number, headers: Readonly<Record<string, string>>): void {
    this.status = status
    this.headers = headers
    this.#flow.touch()
    if (!this.#streams || status >= 300) return
    this.#streaming = true
    this.#flow.onStop = undefined
    this.#resolve(this)
  }

  onData(chunk: Buffer): void {
    if (this.#streaming) {
      if (this.#flowing) this.#listeners.data?.(chunk)
      else this.#hold(chunk)
      return
    }
    this.#flow.touch()
    this.#length += chunk.length
    if (this.#length > longestText) this.#control?.abort(tooLong())
    else this.#chunks.push(chunk)
  }

  onEnd(): void {
    this.#over = true
    if (!this.#streaming) this.#resolve(this)
    else if (this.#flowing) this.#tellEnd()
  }

  onError(error: Error): void {
    this.#over = true
    if (!this.#streaming) this.#reject(error)
    else {
      this.#failure = error
      if (this.#flowing) this.#tellEnd()
    }
  }

  on(event: 'data', listener: (chunk: Uint8Array) => void): this
  on(event: 'end' | 'close', listener: () => void): this
  on(event: 'error', listener: (error: Error) => void): this
  on(event: keyof Listeners, listener: (argument: never) => void): this {
    Object.assign(this.#listeners, { [event]: listener })
    return this
  }

  pause(): void {
    this.#flowing = false
  }

  /** Hands on what was held, and then what comes. */
  resume(): void {
    this.#flowing = true
    while (this.#flowing && this.#chunks.length > 0) this.#listeners.data?.(this.#chunks.shift() as Buffer)
    if (!this.#flowing) return
    this.#length = 0
    if (this.#over) this.#tellEnd()
    else this.#control?.resume()
  }

  takeBack(chunk: Uint8Array): void {
    this.#control?.takeBack(chunk)
  }

  /** Gives the connection up, unless the answer has been read to its end. */
  destroy(): void {
    this.#stop()
  }

  /** Keeps what nobody has asked for yet. A small body comes with its headers: to stop the connection for it would cost more than this. */
  #hold(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length >= mostHeld) this.#control?.pause()
  }

  /** Tells how the body ended, once, after all that came of it. */
  #tellEnd(): void {
    if (this.#told) return
    this.#told = true
    if (this.#failure !== undefined) this.#listeners.error?.(this.#failure)
    else if (this.#stopped) return
    else {
      this.readableEnded = true
      this.#listeners.end?.()
    }
    this.#listeners.close?.()
  }

  #stop(): void {
    if (this.#over) return
    this.#over = true
    this.#stopped = true
    this.#reject(stopped())
    this.#control?.abort(stopped())
  }
}

function tooLong(): Error {
  return new StowageError('unavailable', `The answer is longer than ${longestText} bytes.`)
}

function stopped(): Error {
  return Object.assign(new Error('the request was given up'), { code: 'ECANCELED' })
}
