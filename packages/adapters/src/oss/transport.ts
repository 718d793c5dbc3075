import type { Readable } from 'node:stream'
import { type Clock, type Random, StowageError, systemClock, systemRandom } from '@stowage/core'
import { buildConnector, Pool } from 'undici'
import {
  aborted,
  type Called,
  closed,
  type Flow,
  Gate,
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

/** Bytes of an answer that is read into memory: a page of 1000 keys of 1023 bytes, percent-encoded, fits. */
const longestText = 16 * 1024 * 1024

/** Where a host has several addresses, Node gives up each after 250 ms unless told: too soon for a line that is far or a machine that is busy. */
const addressTimeoutMs = 2_000

/** One request. */
export interface OssCall extends SendOptions {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  query?: Query
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>
  /** The bytes to send; called once for each attempt. */
  body?: (flow: Flow) => Uint8Array | Readable
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
  body: Readable
}

/** The connections of one bucket: pooled and kept alive, with signatures, deadlines, retries and mapped errors. */
export class Transport {
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
  #pool: Promise<Pool> | undefined
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
  send(call: OssCall): Promise<OssAnswer> {
    return this.#retried(call, async (attempt) => {
      const { status, headers, body } = await attempt.open()
      return { status, headers, text: await readText(body, attempt.flow) }
    })
  }

  /** Sends a request whose answer's body the caller reads, or destroys. @throws StowageError */
  open(call: OssCall): Promise<OssStream> {
    return this.#retried(call, (attempt) => attempt.open())
  }

  /** Makes a StowageError of what a call or a body failed with. */
  mapError(error: unknown, key: string | undefined): StowageError {
    return mapTransport(error, this.#where(key))
  }

  async close(): Promise<void> {
    this.#closed = true
    const pool = await this.#pool?.catch(() => undefined)
    await pool?.destroy()
  }

  #retried<T>(call: OssCall, run: (attempt: Attempt) => Promise<T>): Promise<T> {
    this.begin(call.signal)
    return withRetries(() => this.#withFreshCredentials(call, run), {
      attempts: call.attempts ?? this.#options.attempts ?? 3,
      clock: this.clock,
      random: this.#random,
      signal: call.signal,
      repeatable: call.repeatable ?? true,
    })
  }

  /** Once more with new credentials when the store refused the old ones, as far as the body can be sent again. */
  async #withFreshCredentials<T>(call: OssCall, run: (attempt: Attempt) => Promise<T>): Promise<T> {
    const credentials = await this.credentials.get()
    const refused: { code?: string } = {}
    try {
      return await this.#once(call, credentials, refused, run)
    } catch (error) {
      const isOld = /^(SecurityTokenExpired|InvalidSecurityToken|InvalidAccessKeyId)$/.test(refused.code ?? '')
      if (!isOld || !this.credentials.refreshable) throw error
      this.credentials.forget(credentials)
      if (call.attempts === 1 || call.signed !== undefined) throw error
      return await this.#once(call, await this.credentials.get(), {}, run)
    }
  }

  async #once<T>(
    call: OssCall,
    credentials: OssCredentials,
    refused: { code?: string },
    run: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    const pool = await this.#ready()
    const { key, signal, slow } = call
    this.begin(signal)
    const where = this.#where(key)
    const mapError = (error: unknown): StowageError => mapTransport(error, where)
    return runAttempt({ signal, slow, inactivityMs: this.#inactivityMs, where, mapError }, async (flow) => {
      const body = call.body?.(flow)
      const open = async (): Promise<OssStream> => {
        const answer = await this.#request(pool, call, credentials, body, flow.signal)
        if (answer.status < 300) return answer
        const text = await readText(answer.body, flow)
        const refusal = { status: answer.status, headers: answer.headers, body: text, now: this.clock.now() }
        const code = ossCodeOf(refusal)
        if (code !== undefined) refused.code = code
        throw mapRefusal(refusal, where)
      }
      try {
        return await run({ open, flow })
      } finally {
        // The store may have answered before it had all bytes.
        if (body !== undefined && !(body instanceof Uint8Array) && !body.readableEnded) body.destroy()
      }
    })
  }

  async #request(
    pool: Pool,
    call: OssCall,
    credentials: OssCredentials,
    body: Uint8Array | Readable | undefined,
    signal: AbortSignal,
  ): Promise<OssStream> {
    const { path, headers } = call.signed ?? this.#sign(call, credentials)
    const answer = await pool.request({ method: call.method, path, headers, body: body ?? null, signal })
    return { status: answer.statusCode, headers: plainHeaders(answer.headers), body: answer.body }
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

  #ready(): Promise<Pool> {
    this.#pool ??= this.#connect().catch((error: unknown) => {
      this.#pool = undefined
      throw error
    })
    return this.#pool
  }

  async #connect(): Promise<Pool> {
    const { maxSockets, connectTimeoutMs, tls } = this.#options
    const connector = buildConnector({
      timeout: connectTimeoutMs ?? 10_000,
      autoSelectFamilyAttemptTimeout: addressTimeoutMs,
      lookup: this.#gate.lookup,
      ...(tls?.ca === undefined ? {} : { ca: await readAuthorities(this.#adapter, tls.ca) }),
    })
    return new Pool(this.address.origin, {
      connections: maxSockets ?? 64,
      // Time is watched here: it runs while nothing moves, not while a large body does.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: this.#gate.guard(connector),
    })
  }
}

interface Attempt {
  readonly open: () => Promise<OssStream>
  readonly flow: Flow
}

async function readText(body: Readable, flow: Flow): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    flow.touch()
    size += chunk.length
    if (size > longestText) throw new StowageError('unavailable', `The answer is longer than ${longestText} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size).toString('utf8')
}

function plainHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) plain[name] = String(value)
  return plain
}
