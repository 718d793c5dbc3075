import type { Socket } from 'node:net'
import { ReceiveBuffer } from './receive-buffer.ts'
import type { AnswerHandler, HttpRequest } from './request.ts'
import { Sending } from './sending.ts'
import type { SocketOpener } from './socket.ts'
import { Turn } from './turn.ts'

/** One who hears what becomes of a connection. */
export interface ConnectionOwner {
  /** It can take a request. */
  onReady(connection: Connection): void
  /** It is closed, or never opened. Told once. */
  onClosed(connection: Connection, error: Error): void
}

/** Milliseconds that an unused connection is kept when the server does not say how long it keeps it; many close it after 5 s. */
const keptMs = 4_000
/** A server's own time is shortened by this, in milliseconds, so that it does not close what is being used again. */
const marginMs = 1_000
const longestKeptMs = 600_000

/** A kept connection: one request at a time, and its answer. */
export class Connection {
  readonly #owner: ConnectionOwner
  readonly #socket: Socket
  readonly #buffer = new ReceiveBuffer()
  #turn: Turn | undefined
  #isClosed = false
  #idleMs = keptMs
  #idle: NodeJS.Timeout | undefined
  #failure: Error | undefined

  /** @throws StowageError `configuration` for a place that may not be connected to */
  constructor(opener: SocketOpener, owner: ConnectionOwner) {
    this.#owner = owner
    const buffer = (): Buffer => this.#buffer.next()
    const callback = (read: number, bytes: Uint8Array): boolean => this.#receive(read, bytes as Buffer)
    this.#socket = opener.open({ buffer, callback }, () => this.#rest())
    this.#socket.on('error', (error) => {
      this.#failure ??= error
    })
    this.#socket.on('end', () => this.#end())
    this.#socket.on('close', () => this.#close(this.#failure ?? hungUp()))
    this.#socket.resume()
  }

  /**
   * Sends a request. Only after `onReady`, once.
   * @returns `false` when its handler gave it up at its start, and the connection can take another
   */
  send(head: string, request: HttpRequest, handler: AnswerHandler): boolean {
    const turn = new Turn(this.#socket, this.#buffer, request.method, handler, (error) => this.#close(error))
    this.#turn = turn
    try {
      handler.onStart(turn)
    } catch (error) {
      if (this.#isClosed) return true
      this.#turn = undefined
      turn.resume()
      turn.end(undefined)
      handler.onError(error as Error)
      return false
    }
    if (this.#isClosed) return true
    this.#socket.ref()
    turn.sending = new Sending(this.#socket, request, (error) => {
      if (this.#turn === turn) this.#close(error)
    })
    turn.sending.start(head, request.body)
    return true
  }

  /** Closes it; a request under way fails. */
  destroy(error: Error): void {
    this.#close(error)
  }

  /** Waits for the next request. */
  #rest(): void {
    this.#socket.unref()
    this.#idle ??= setTimeout(() => {
      if (this.#turn === undefined) this.#close(hungUp())
    }, this.#idleMs).unref()
    this.#idle.refresh()
    this.#owner.onReady(this)
  }

  #receive(read: number, bytes: Buffer): boolean {
    const { receiving } = this.#turn ?? {}
    if (receiving === undefined) {
      // Nobody asked for it. What follows could not be told from the answer to another request.
      this.#close(hungUp())
      return false
    }
    try {
      const came = bytes.length === read ? bytes : bytes.subarray(0, read)
      const used = receiving.take(came)
      if (receiving.isDone) this.#complete(used === read)
    } catch (error) {
      this.#close(error as Error)
    }
    // Also when it is closed now: over TLS, what is decrypted already is still written to where the next bytes go.
    this.#buffer.settle(read, receiving.expected)
    // A socket that is just opening, or resuming, begins to read though it was paused meanwhile.
    return !this.#isClosed && this.#turn?.isPaused !== true
  }

  #end(): void {
    const turn = this.#turn
    if (turn?.receiving.end() === true) this.#complete(false)
    else this.#close(hungUp())
  }

  /** The answer is whole. @param isExact whether nothing came behind it */
  #complete(isExact: boolean): void {
    const turn = this.#turn
    if (turn === undefined) return
    const { reusable, keepMs, status = 0 } = turn.receiving.head ?? {}
    const { sending } = turn
    if (sending?.hasLeft !== true && status < 300) {
      // A yes to bytes that it does not have yet is none. The last of them may just be on their way, out of memory that is somebody else's as
      // soon as this is told.
      if (sending?.isDone === true) sending.whenLeft(() => this.#complete(isExact))
      else this.#close(hungUp())
      return
    }
    this.#turn = undefined
    const isKept = reusable === true && isExact && sending?.hasLeft === true
    turn.end(undefined)
    if (!isKept) this.#close(hungUp())
    else {
      if (turn.isPaused) this.#socket.resume()
      this.#keepFor(keepMs)
    }
    turn.handler.onEnd()
    if (isKept && !this.#isClosed) this.#rest()
  }

  #keepFor(told: number | undefined): void {
    const ms = told === undefined ? keptMs : Math.min(Math.max(told - marginMs, 0), longestKeptMs)
    if (ms === this.#idleMs) return
    this.#idleMs = ms
    clearTimeout(this.#idle)
    this.#idle = undefined
  }

  #close(error: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#idle)
    this.#socket.destroy()
    const turn = this.#turn
    this.#turn = undefined
    turn?.end(error)
    turn?.handler.onError(error)
    this.#owner.onClosed(this, error)
  }
}

function hungUp(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}
