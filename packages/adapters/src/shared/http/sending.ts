import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { HttpRequest } from './request.ts'

/** Bytes that are copied behind the head, to be sent in one piece with it. */
const joined = 16 * 1024

/** Sends one request over a socket, as fast as the socket takes it. */
export class Sending {
  readonly #socket: Socket
  readonly #onFailed: (error: Error) => void
  readonly #onSent: HttpRequest['onSent']
  /** Bytes of the body that are still to be sent. */
  #left: number
  /** Bytes in memory that the socket has and may still read. */
  #leaving = false
  #onLeft: (() => void) | undefined
  /** Lets go of the body. */
  #release: ((error: Error | undefined) => void) | undefined

  /** @param onFailed told when the body fails or is not as long as was announced */
  constructor(socket: Socket, { length, onSent }: HttpRequest, onFailed: (error: Error) => void) {
    this.#socket = socket
    this.#onFailed = onFailed
    this.#onSent = onSent
    this.#left = length ?? 0
  }

  /** Whether all of it was handed to the socket. */
  get isDone(): boolean {
    return this.#left === 0
  }

  /** Whether the memory of the body is not read any more. */
  get hasLeft(): boolean {
    return this.#left === 0 && !this.#leaving
  }

  /** Calls back when what was handed to the socket has left. */
  whenLeft(then: () => void): void {
    this.#onLeft = then
  }

  start(head: string, body: HttpRequest['body']): void {
    const socket = this.#socket
    if (body instanceof Uint8Array) {
      this.#left = 0
      this.#writeBytes(head, body)
      return
    }
    socket.write(head, 'latin1')
    if (body instanceof Readable) this.#stream(body)
    else if (body !== undefined) this.#slices(body)
  }

  /** Stops where it is: the request has ended, with this error if it failed. */
  stop(error: Error | undefined): void {
    const release = this.#release
    this.#release = undefined
    release?.(error)
  }

  #stream(body: Readable): void {
    const onData = (chunk: Uint8Array): void => {
      if (!this.#write(chunk)) body.pause()
    }
    const onDrain = (): void => void body.resume()
    const onEnd = (): void => this.#end()
    const onError = (error: Error): void => this.#onFailed(error)
    const onClose = (): void => {
      if (!body.readableEnded) this.#onFailed(body.errored ?? cutShort())
    }
    body.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
    this.#socket.on('drain', onDrain)
    this.#release = (error) => {
      this.#socket.off('drain', onDrain)
      body.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError)
      if (body.readableEnded) return
      // What it fails with now nobody waits for.
      body.on('error', () => {})
      body.destroy(error)
    }
    // What happened before nobody tells again.
    if (body.readableEnded) queueMicrotask(onEnd)
    else if (body.destroyed) queueMicrotask(onClose)
  }

  #slices(body: Iterable<Uint8Array>): void {
    const iterator = body[Symbol.iterator]()
    const onDrain = (): void => {
      try {
        let takesMore = true
        while (takesMore && this.#release !== undefined) {
          const { value, done } = iterator.next()
          if (done === true) this.#end()
          else takesMore = this.#write(value)
        }
      } catch (error) {
        this.#onFailed(error as Error)
      }
    }
    this.#socket.on('drain', onDrain)
    this.#release = () => {
      this.#socket.off('drain', onDrain)
      iterator.return?.()
    }
    onDrain()
  }

  /** @returns whether the socket takes more at once */
  #write(chunk: Uint8Array): boolean {
    this.#left -= chunk.length
    if (this.#left < 0) {
      // The rest would be taken for another request.
      this.#onFailed(Object.assign(new Error('the body is longer than announced'), { code: 'ERR_BODY_LENGTH' }))
      return false
    }
    const onSent = this.#onSent
    if (this.#left > 0 && onSent === undefined) return this.#socket.write(chunk)
    const isLast = this.#left === 0
    this.#leaving ||= isLast
    return this.#socket.write(chunk, (error) => {
      if (error) return
      onSent?.(chunk)
      if (isLast) this.#leave()
    })
  }

  #end(): void {
    if (this.#left > 0) {
      this.#onFailed(cutShort())
      return
    }
    this.stop(undefined)
  }

  #writeBytes(head: string, body: Uint8Array): void {
    const socket = this.#socket
    if (body.length > joined) {
      this.#leaving = true
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(body, (error) => {
        if (!error) this.#leave()
      })
      socket.uncork()
      return
    }
    const all = Buffer.allocUnsafe(head.length + body.length)
    all.write(head, 0, 'latin1')
    all.set(body, head.length)
    socket.write(all)
  }

  #leave(): void {
    this.#leaving = false
    this.#onLeft?.()
  }
}

function cutShort(): Error {
  return Object.assign(new Error('the body is shorter than announced'), { code: 'ERR_BODY_LENGTH' })
}
