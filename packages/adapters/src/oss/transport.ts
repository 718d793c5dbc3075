import type { Readable } from 'node:stream'
import { type Clock, type Random, type StowageError, systemClock, systemRandom } from '@stowage/core'
import {
  aborted,
  type BodySource,
  type Called,
  closed,
  type Exchange,
  exchange,
  type Flow,
  Gate,
  HttpPool,
  noAttempts,
  readAuthorities,
  runAttempt,
  type SendOptions,
  type Where,
  withRetries,
} from '../shared/index.ts'
import { CredentialsKeeper } from './credentials.ts'
import { encodeQuery, type Query } from './encode.ts'
import { type BucketAddress, bucketAddress, pathOf } from './endpoint.ts'
import { mapRefusal, mapTransport, ossCodeOf } from './errors.ts'
import type { OssCredentials, OssOptions } from './options.ts'
import { type Signing, signHeaders } from './sign.ts'

/** One request. */
export interface OssCall extends SendOptions {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  query?: Query
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>
  /** The bytes to send; called once for each attempt. */
  body?: (flow: Flow) => Uint8Array | Iterable<Uint8Array> | Readable
  /** Somebody else has signed the request: its path with the query, and all its headers. */
  signed?: { readonly path: string; readonly headers: Readonly<Record<string, string>> }
}

/** An answer whose body was read. */
export interface OssAnswer {
  status: number
  headers: Readonly<Record<string, string>>
  text: string
}

/** An answer whose body is still to come. */
export interface OssStream {
  status: number
  headers: Readonly<Record<string, string>>
  body: BodySource
}

/** The connections of one bucket: pooled and kept alive, with signatures, deadlines, retries and mapped errors. */
export class Transport {
  readonly attempts: ReturnType<typeof noAttempts> = noAttempts()
  readonly clock: Clock
  readonly address: BucketAddress
  readonly bucket: string
  readonly credentials: CredentialsKeeper
  /** Headers of every request. */
  readonly everyHeaders: Readonly<Record<string, string>>
  readonly #adapter: Called
  readonly #options: OssOptions
  readonly #random: Random
  readonly #inactivityMs: number
  readonly #gate: Gate
  #pool: Promise<HttpPool> | undefined
  #closed = false

  constructor(adapter: Called, options: OssOptions) {
    this.#gate = new Gate(options)
    this.address = bucketAddress(options, this.#gate)
    this.bucket = options.bucket
    this.clock = options.clock ?? systemClock
    this.#adapter = adapter
    this.#options = options
    this.#random = options.random ?? systemRandom
    this.credentials = new CredentialsKeeper(options, this.clock, this.#random)
    this.everyHeaders = options.requestPayer === true ? { 'x-oss-request-payer': 'requester' } : {}
    this.#inactivityMs = options.inactivityTimeoutMs ?? 60_000
  }

  /** Milliseconds that a reader waits for the next bytes of a body. */
  get stallMs(): number {
    return this.#inactivityMs
  }

  /** Refuses calls after `close` and aborted ones. */
  begin(signal: AbortSignal | undefined): void {
    if (this.#closed) throw closed(this.#adapter)
    if (signal?.aborted) throw aborted(signal)
  }

  /** How requests are signed with these credentials. */
  signing(credentials: OssCredentials): Signing {
    const version = this.#options.signatureVersion ?? 'v4'
    return { version, region: this.address.region, credentials, now: this.clock.now() }
  }

  /** Sends a request and reads the answer, repeated where that is safe. @throws StowageError */
  async send(call: OssCall): Promise<OssAnswer> {
    const { status, headers, bytes } = await this.#retried(call, false)
    return { status, headers, text: bytes.toString('utf8') }
  }

  /** Sends a request whose answer's body the caller reads, or destroys. @throws StowageError */
  async open(call: OssCall): Promise<OssStream> {
    const answer = await this.#retried(call, true)
    return { status: answer.status, headers: answer.headers, body: answer }
  }

  /** Makes a StowageError of what a call or a body failed with. */
  mapError(error: unknown, key: string | undefined): StowageError {
    return mapTransport(error, this.#where(key))
  }

  async close(): Promise<void> {
    this.#closed = true
    const pool = await this.#pool?.catch(() => undefined)
    pool?.destroy()
  }

  #retried(call: OssCall, streams: boolean): Promise<Exchange> {
    this.begin(call.signal)
    return withRetries(() => this.#withFreshCredentials(call, streams), {
      attempts: call.attempts ?? this.#options.attempts ?? 3,
      clock: this.clock,
      random: this.#random,
      signal: call.signal,
      repeatable: call.repeatable ?? true,
      counts: this.attempts,
    })
  }

  /** Once more with new credentials when the store refused the old ones, as far as the body can be sent again. */
  async #withFreshCredentials(call: OssCall, streams: boolean): Promise<Exchange> {
    const credentials = await this.credentials.get()
    const refused: { code?: string } = {}
    try {
      return await this.#once(call, credentials, refused, streams)
    } catch (error) {
      const isOld = /^(SecurityTokenExpired|InvalidSecurityToken|InvalidAccessKeyId)$/.test(refused.code ?? '')
      if (!isOld || !this.credentials.refreshable) throw error
      this.credentials.forget(credentials)
      if (call.attempts === 1 || call.signed !== undefined) throw error
      return await this.#once(call, await this.credentials.get(), {}, streams)
    }
  }

  async #once(
    call: OssCall,
    credentials: OssCredentials,
    refused: { code?: string },
    streams: boolean,
  ): Promise<Exchange> {
    const pool = await this.#ready()
    const { key, signal, slow } = call
    this.begin(signal)
    const where = this.#where(key)
    const mapError = (error: unknown): StowageError => mapTransport(error, where)
    return runAttempt({ signal, slow, inactivityMs: this.#inactivityMs, where, mapError }, async (flow) => {
      const { path, headers } = call.signed ?? this.#sign(call, credentials)
      const { 'content-length': length, ...others } = headers
      const sent = { method: call.method, path, headers: Object.entries(others).flat(), body: call.body?.(flow) }
      const answer = await exchange(pool, { ...sent, length: Number(length ?? 0) }, flow, streams)
      if (answer.status < 300) return answer
      const body = answer.bytes.toString('utf8')
      const refusal = { status: answer.status, headers: answer.headers, body, now: this.clock.now() }
      const code = ossCodeOf(refusal)
      if (code !== undefined) refused.code = code
      throw mapRefusal(refusal, where)
    })
  }

  #sign(call: OssCall, credentials: OssCredentials): { path: string; headers: Record<string, string> } {
    const { method, key = '', query = {} } = call
    const headers = { ...call.headers, ...this.everyHeaders }
    const signed = signHeaders({ method, bucket: this.bucket, key, query, headers }, this.signing(credentials))
    const parameters = encodeQuery(query)
    const path = parameters === '' ? pathOf(key) : `${pathOf(key)}?${parameters}`
    return { path, headers: { ...headers, ...signed } }
  }

  #where(key: string | undefined): Where {
    return { id: this.#adapter.id, bucket: this.bucket, endpoint: this.address.host, key }
  }

  #ready(): Promise<HttpPool> {
    this.#pool ??= this.#connect().catch((error: unknown) => {
      this.#pool = undefined
      throw error
    })
    return this.#pool
  }

  async #connect(): Promise<HttpPool> {
    const { maxSockets = 64, connectTimeoutMs = 10_000, tls } = this.#options
    const ca = tls?.ca === undefined ? undefined : await readAuthorities(this.#adapter, tls.ca)
    return new HttpPool({ origin: this.address.origin, maxSockets, connectTimeoutMs, gate: this.#gate, ca })
  }
}
