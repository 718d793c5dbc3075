import { hash } from 'node:crypto'
import type { Clock } from '@stowage/core'
import { type Exchange, exchange, type Flow, type Gate, type HeaderList, HttpPool } from '../../shared/index.ts'
import type { S3Dialect } from '../quirks.ts'
import type { UploadBody } from '../upload-body.ts'
import type { Address } from './address.ts'
import { errorOf, isSkewed } from './answer-error.ts'
import { type Credentials, Signer, unsignedPayload } from './signer.ts'

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
  method: 'GET' | 'HEAD' | 'PUT' | 'POST'
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
  readonly #pool: HttpPool
  readonly #options: LeanOptions
  readonly #signer: Signer
  /** Milliseconds that the store's clock is ahead of ours, once it has refused a request for that. */
  #skew = 0

  constructor(options: LeanOptions) {
    const { address, maxSockets, connectTimeoutMs, ca, gate } = options
    this.#options = options
    this.#signer = new Signer(address.host, address.region)
    this.#pool = new HttpPool({ origin: address.origin, maxSockets, connectTimeoutMs, gate, ca })
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

  /**
   * Signs the reading of one object for somebody without keys.
   * @param path encoded
   * @param last gives the seconds that the URL can last, from when the credentials end
   */
  async presign(
    path: string,
    now: number,
    last: (expiresAt: number | undefined) => number,
  ): Promise<{ url: string; expiresIn: number }> {
    const credentials = await this.#options.credentials()
    const expiresIn = last(credentials.expiration?.getTime())
    const query = this.#signer.presign(path, credentials, now, expiresIn)
    return { url: `${this.#options.address.origin}${path}?${query}`, expiresIn }
  }

  close(): void {
    this.#pool.destroy()
  }

  async #exchange(request: LeanRequest, flow: Flow, now: number): Promise<Exchange> {
    const { method, path, query, body, streams } = request
    const given = this.#options.credentials()
    const credentials = given instanceof Promise ? await given : given
    const headers = [...request.headers]
    this.#signer.sign({ method, path, query, headers, payload: this.#payload(method, body) }, credentials, now)
    const target = query === '' ? path : `${path}?${query}`
    const sent = { method, path: target, headers, body: body?.open(flow), length: body?.size }
    return exchange(this.#pool, sent, flow, streams === true)
  }

  /**
   * Over TLS, and on this machine, bodies are not part of the signature: a signed checksum header holds them against accidents, and nobody
   * is on the way who could change both. Over plain HTTP to another machine the signature covers them where they lie in memory.
   */
  #payload(method: LeanRequest['method'], body: UploadBody | undefined): string {
    if (body === undefined) return unsignedPayload
    // What a request says in its body is short, and no checksum stands beside it.
    if (!this.#options.address.exposed && method !== 'POST') return unsignedPayload
    if (body.bytes !== undefined) return hash('sha256', body.bytes, 'hex')
    const { ChecksumSHA256 } = body.fields
    return ChecksumSHA256 === undefined ? unsignedPayload : Buffer.from(ChecksumSHA256, 'base64').toString('hex')
  }
}
