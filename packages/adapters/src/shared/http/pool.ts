import { Connection, type ConnectionOwner } from './connection.ts'
import { type AnswerHandler, type HttpRequest, requestHead } from './request.ts'
import { SocketOpener, type SocketOptions } from './socket.ts'

/** How connections are kept. */
export interface PoolOptions extends SocketOptions {
  /** Connections at most. */
  maxSockets: number
}

interface Waiting {
  head: string
  request: HttpRequest
  handler: AnswerHandler
}

/**
 * Connections to one store that are kept alive, with one request at a time on each: an answer that is slow holds up no other. The one
 * that was used last is used next, so that those too many grow old and are closed.
 */
export class HttpPool implements ConnectionOwner {
  readonly #opener: SocketOpener
  readonly #maxSockets: number
  readonly #connections = new Set<Connection>()
  readonly #opening = new Set<Connection>()
  readonly #ready: Connection[] = []
  readonly #waiting: Waiting[] = []
  #isClosed = false

  constructor(options: PoolOptions) {
    this.#opener = new SocketOpener(options)
    this.#maxSockets = options.maxSockets
  }

  /** Sends a request on the first connection that is free. Everything that fails is told to the handler. */
  dispatch(request: HttpRequest, handler: AnswerHandler): void {
    let head: string
    try {
      if (this.#isClosed) throw poolClosed()
      head = requestHead(request, this.#opener.host)
    } catch (error) {
      handler.onError(error as Error)
      return
    }
    const connection = this.#ready.pop()
    if (connection === undefined) {
      this.#waiting.push({ head, request, handler })
      this.#open()
    } else if (!connection.send(head, request, handler)) this.onReady(connection)
  }

  /** Closes all connections; requests under way fail. */
  destroy(): void {
    this.#isClosed = true
    for (const { handler } of this.#waiting.splice(0)) handler.onError(poolClosed())
    for (const connection of [...this.#connections]) connection.destroy(poolClosed())
  }

  onReady(connection: Connection): void {
    this.#opening.delete(connection)
    let next = this.#waiting.shift()
    while (next !== undefined) {
      if (connection.send(next.head, next.request, next.handler)) return
      next = this.#waiting.shift()
    }
    this.#ready.push(connection)
  }

  onClosed(connection: Connection, error: Error): void {
    this.#connections.delete(connection)
    const at = this.#ready.indexOf(connection)
    if (at !== -1) this.#ready.splice(at, 1)
    // It was opened for somebody who waits; the others may have better luck.
    if (this.#opening.delete(connection)) this.#waiting.shift()?.handler.onError(error)
    this.#open()
  }

  /** Opens connections for those who wait and have none on its way. */
  #open(): void {
    while (!this.#isClosed && this.#opening.size < this.#waiting.length && this.#connections.size < this.#maxSockets) {
      try {
        const connection = new Connection(this.#opener, this)
        this.#connections.add(connection)
        this.#opening.add(connection)
      } catch (error) {
        this.#waiting.shift()?.handler.onError(error as Error)
      }
    }
  }
}

function poolClosed(): Error {
  return Object.assign(new Error('the connections were closed'), { code: 'ECONNRESET' })
}
