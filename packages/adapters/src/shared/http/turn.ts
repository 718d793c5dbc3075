import type { Socket } from 'node:net'
import type { ReceiveBuffer } from './receive-buffer.ts'
import { Receiving } from './receiving.ts'
import type { AnswerControl, AnswerHandler } from './request.ts'
import type { Sending } from './sending.ts'

/** One request and its answer on a connection, as long as they take. */
export class Turn implements AnswerControl {
  isPaused = false
  sending: Sending | undefined
  readonly receiving: Receiving
  readonly handler: AnswerHandler
  readonly #socket: Socket
  readonly #buffer: ReceiveBuffer
  readonly #onAbort: (error: Error) => void
  #isOver = false

  constructor(
    socket: Socket,
    buffer: ReceiveBuffer,
    method: string,
    handler: AnswerHandler,
    onAbort: (error: Error) => void,
  ) {
    this.#socket = socket
    this.#buffer = buffer
    this.handler = handler
    this.receiving = new Receiving(method, handler, buffer)
    this.#onAbort = onAbort
  }

  pause(): void {
    if (this.#isOver || this.isPaused) return
    this.isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (this.#isOver || !this.isPaused) return
    this.isPaused = false
    this.#socket.resume()
  }

  takeBack(chunk: Uint8Array): void {
    this.#buffer.takeBack(chunk)
  }

  abort(error: Error): void {
    if (!this.#isOver) this.#onAbort(error)
  }

  end(error: Error | undefined): void {
    this.#isOver = true
    this.receiving.stop()
    this.sending?.stop(error)
  }
}
