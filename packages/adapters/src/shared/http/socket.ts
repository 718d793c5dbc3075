import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import type { Gate } from '../connect.ts'

/** Bytes that a socket takes before one who writes has to wait: with less, every chunk stops and starts its stream. */
const writableBytes = 512 * 1024

/** Where a host has several addresses, Node gives up each after 250 ms unless told: too soon for a line that is far or a machine that is busy. */
const addressTimeoutMs = 2_000

/** Where connections go to. */
export interface SocketOptions {
  /** `https://host:port` or `http://host:port`. */
  origin: string
  /** Milliseconds until a connection must stand. */
  connectTimeoutMs: number
  gate: Gate
  /** Authorities to trust, in PEM. @defaultValue the system's */
  ca?: readonly string[] | undefined
}

/** Opens sockets to one place, through the gate of its source. */
export class SocketOpener {
  readonly #options: SocketOptions
  readonly #url: URL
  readonly #host: string
  #context: SecureContext | undefined
  /** The last session: with it, the next connection needs no certificates. */
  #session: Buffer | undefined

  constructor(options: SocketOptions) {
    this.#options = options
    this.#url = new URL(options.origin)
    this.#host = this.#url.hostname.replace(/^\[|\]$/g, '')
  }

  /** The `host` header. */
  get host(): string {
    return this.#url.host
  }

  /**
   * Begins to connect. The socket is destroyed with an error when that fails or takes too long.
   * @param onReady called when requests can be sent
   * @throws StowageError `configuration` for a place that may not be connected to
   */
  open(onread: OnReadOpts, onReady: () => void): Socket {
    const { gate, connectTimeoutMs } = this.#options
    gate.judgeLiteral(this.#host)
    const common = {
      host: this.#host,
      lookup: gate.lookup,
      autoSelectFamilyAttemptTimeout: addressTimeoutMs,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      highWaterMark: writableBytes,
      onread,
    }
    const isTls = this.#url.protocol === 'https:'
    const port = Number(this.#url.port || (isTls ? 443 : 80))
    const socket = isTls ? this.#openTls({ ...common, port }) : connectPlain({ ...common, port })
    const timer = setTimeout(() => socket.destroy(tooLate(connectTimeoutMs)), connectTimeoutMs)
    socket.once('close', () => clearTimeout(timer))
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      onReady()
    })
    return socket
  }

  #openTls(options: { host: string; port: number; onread: OnReadOpts }): Socket {
    const { ca } = this.#options
    this.#context ??= createSecureContext(ca === undefined ? {} : { ca: [...ca] })
    const socket = connectTls({
      ...options,
      secureContext: this.#context,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(this.#host) === 0 ? { servername: this.#host } : {}),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    })
    socket.on('session', (session: Buffer) => {
      this.#session = session
    })
    socket.once('error', () => {
      this.#session = undefined
    })
    return socket
  }
}

function tooLate(ms: number): Error {
  return Object.assign(new Error(`no connection within ${ms} ms`), { code: 'ETIMEDOUT' })
}
