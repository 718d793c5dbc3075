import { hash } from 'node:crypto'
import type { Clock } from '@stowage/core'
import type { Dispatcher, Pool } from 'undici'
import type { Flow, Gate } from '../../shared/index.ts'
import type { S3Dialect } from '../quirks.ts'
import type { UploadBody } from '../upload-body.ts'
import type { Address } from './address.ts'
import { errorOf, isSkewed } from './answer-error.ts'
import { Exchange } from './exchange.ts'
import { type Credentials, type HeaderList, Signer, unsignedPayload } from './signer.ts'

/** Bytes that a socket takes before a stream into it has to wait: with less, every chunk of 64 KiB stops and starts the stream. */
const socketBytes = 256 * 1024

/** What a lean path is connected with. */
export interface LeanOptions {
  address: Address
  dialect: S3Dialect
  credentials: () => Credentials | Promise<Credentials>
  clock: Clock
  maxSockets: number
  connectTimeoutMs: number
  gate: Gate
  /** Authorities to trust, in PEM. @defaultValue the system's */
  ca: readonly string[] | undefined
}

/** A request before it is signed. */
export interface LeanRequest {
  method: 'GET' | 'HEAD' | 'PUT'
  /** Encoded. */
  path: string
  /** Encoded, its parameters sorted by name. */
  query: string
  headers: HeaderList
  body?: UploadBody
  /** Whether the body of a good answer is handed on instead of read whole. */
  streams?: boolean
}

/** Sends signed requests on connections that are kept alive, one request at a time on each. */
export class Transport {
  readonly #pool: Pool
  readonly #options: LeanOptions
  readonly #signer: Signer
  /** Milliseconds that the store's clock is ahead of ours, once it has refused a request for that. */
  #skew = 0
  /** Requests that have no answer yet. */
  #waiting = 0

  static async connect(options: LeanOptions): Promise<Transport> {
    // Loaded with the first request: importing the adapter does no work.
    return new Transport(options, await import('undici'))
  }

  private constructor(options: LeanOptions, undici: typeof import('undici')) {
    const { address, maxSockets, connectTimeoutMs, ca, gate } = options
    this.#options = options
    this.#signer = new Signer(address.host, address.region)
    const tls = {
      allowH2: false,
      highWaterMark: socketBytes,
      lookup: gate.lookup,
      ...(ca === undefined ? {} : { ca: [...ca] }),
    }
    const connector = gate.guard(undici.buildConnector({ timeout: connectTimeoutMs, ...tls }))
    this.#pool = new undici.Pool(address.origin, {
      connections: maxSockets,
      pipelining: 1,
      allowH2: false,
      // The flow of an attempt and the reader of a body watch over silence; undici's timers cannot tell a slow reader from a slow store.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (target, done) => {
        // undici replaces the connection of a request that was given up, also when nobody waits for one.
        if (this.#waiting > 0) connector(target, done)
        else done(new Error('no connection is needed any more'), null)
      },
    })
  }

  /** Sends a request. @throws what {@link errorOf} makes of an answer that is not good */
  async send(request: LeanRequest, flow: Flow): Promise<Exchange> {
    const sentAt = this.#options.clock.now() + this.#skew
    let answer = await this.#exchange(request, flow, sentAt)
    if (answer.status < 300) return answer
    if (isSkewed(answer, sentAt)) {
      this.#skew = Date.parse(answer.header('date') ?? '') - this.#options.clock.now()
      if (request.body?.repeatable === false) throw errorOf(answer)
      answer = await this.#exchange(request, flow, this.#options.clock.now() + this.#skew)
      if (answer.status < 300) return answer
    }
    throw errorOf(answer)
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  async #exchange(request: LeanRequest, flow: Flow, now: number): Promise<Exchange> {
    const { method, path, query, body, streams } = request
    const given = this.#options.credentials()
    const credentials = given instanceof Promise ? await given : given
    const headers = [...request.headers]
    this.#signer.sign({ method, path, query, headers, payload: this.#payload(body) }, credentials, now)
    const exchange = new Exchange(flow, streams === true)
    const opened = body?.open(flow)
    const inMemory = opened === undefined || opened instanceof Uint8Array
    if (body !== undefined && !inMemory) headers.push('content-length', String(body.size))
    const options: Dispatcher.DispatchOptions = {
      method,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body: (opened ?? null) as Dispatcher.DispatchOptions['body'] & null,
      // undici closes the connection after each HEAD, for servers that send a body with the answer. Stores do not.
      ...(method === 'HEAD' ? { reset: false } : {}),
    }
    this.#waiting++
    try {
      this.#pool.dispatch(options, exchange)
      return await exchange.answered
    } finally {
      this.#waiting--
      // The store may answer before it has all bytes: nobody will read the rest.
      if (!inMemory) flow.cancel()
    }
  }

  /**
   * Over TLS, and on this machine, bodies are not part of the signature: a signed checksum header holds them against accidents, and nobody
   * is on the way who could change both. Over plain HTTP to another machine the signature covers them where they lie in memory.
   */
  #payload(body: UploadBody | undefined): string {
    if (!this.#options.address.exposed || body === undefined) return unsignedPayload
    if (body.bytes !== undefined) return hash('sha256', body.bytes, 'hex')
    const { ChecksumSHA256 } = body.fields
    return ChecksumSHA256 === undefined ? unsignedPayload : Buffer.from(ChecksumSHA256, 'base64').toString('hex')
  }
}
