import { type Clock, type Random, StowageError, systemClock, systemRandom } from '@stowage/core'
import {
  aborted,
  type BodySource,
  type Called,
  closed,
  type Flow,
  Gate,
  guardedAgents,
  noAttempts,
  notSupported,
  readAuthorities,
  runAttempt,
  type SendOptions,
  type Where,
  withRetries,
} from '../shared/index.ts'
import { credentialsOf, ownEndpoint } from './credentials.ts'
import type { DataPath } from './data-path.ts'
import { mapS3Error } from './errors.ts'
import { type Credentials, LeanPath, resolveAddress } from './lean/index.ts'
import { Narrowing } from './narrowing.ts'
import type { S3Options, S3Profile } from './options.ts'
import type { S3Dialect } from './quirks.ts'
import { addRequestHeaders } from './request-headers.ts'
import { loadSdk, type S3Client, type Sdk } from './sdk.ts'
import { SdkPath } from './sdk-path.ts'
import { inStoreTime } from './store-time.ts'

/** The SDK writes to the console what it also throws, or what is no concern of the user's, such as waiting for a socket. */
const quiet = (): void => {}
const silent = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet }

/** What a control request gets to send itself with. */
interface Sending {
  readonly sdk: Sdk
  readonly client: S3Client
  /** Options of the SDK's `send`. */
  readonly http: { readonly abortSignal: AbortSignal }
}

type S3ClientConfig = ConstructorParameters<Sdk['S3Client']>[0]

interface Clients {
  readonly sdk: Sdk
  readonly client: S3Client
  readonly signer: S3Client
  /** A signer whose credentials may write one key alone. */
  readonly narrow: ((to: { key: string; seconds: number; now: number }) => Promise<S3Client>) | undefined
}

/** What signs a request for others. */
interface Signing {
  readonly sdk: Sdk
  readonly client: S3Client
  readonly expiresAt: number | undefined
}

/**
 * The connection of one S3-like source, with deadlines, retries and mapped errors. Calls on objects go the data path, all others through
 * the AWS SDK; each is loaded and connected at the first call that needs it.
 */
export class Connection {
  readonly clock: Clock
  readonly endpoint: string
  readonly attempts: ReturnType<typeof noAttempts> = noAttempts()
  readonly #adapter: Called
  readonly #options: S3Options
  readonly #profile: S3Profile
  readonly #dialect: S3Dialect
  readonly #random: Random
  readonly #inactivityMs: number
  readonly #gate: Gate
  #clients: Promise<Clients> | undefined
  #paths: Promise<DataPath> | undefined
  #path: DataPath | undefined
  #lean: Promise<LeanPath | undefined> | undefined
  #closed = false

  constructor(adapter: Called, options: S3Options, profile: S3Profile, dialect: S3Dialect) {
    this.#gate = new Gate(options)
    const url = options.endpoint === undefined ? undefined : this.#gate.endpoint(options.endpoint)
    if (url === undefined && profile.needsEndpoint) throw missing(options.id, 'endpoint')
    if (!options.bucket) throw missing(options.id, 'bucket')
    if ((options.accessKey === undefined) !== (options.secretKey === undefined)) {
      throw missing(options.id, options.accessKey === undefined ? 'accessKey' : 'secretKey')
    }
    this.#adapter = adapter
    this.#options = options
    this.#profile = profile
    this.#dialect = dialect
    this.clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#inactivityMs = options.inactivityTimeoutMs ?? 60_000
    this.endpoint = url?.host ?? `s3.${options.region ?? 'us-east-1'}.amazonaws.com`
  }

  get bucket(): string {
    return this.#options.bucket
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

  /** Makes a call on an object, repeated where that is safe. @throws StowageError */
  data<T>(options: SendOptions, call: (path: DataPath, flow: Flow) => Promise<T>): Promise<T> {
    return this.#repeated(options, async () => {
      const path = this.#path ?? (await this.#dataPath())
      return this.#once(options, (flow) => call(path, flow))
    })
  }

  /** Sends a control request through the SDK, repeated where that is safe. @throws StowageError */
  send<T>(options: SendOptions, request: (sending: Sending) => Promise<T>): Promise<T> {
    return this.#repeated(options, async () => {
      const { sdk, client } = await this.#ready()
      return this.#once(options, (flow) =>
        inStoreTime(() => request({ sdk, client, http: { abortSignal: flow.signal } })),
      )
    })
  }

  /**
   * A client that only signs: without the headers that the requests of {@link send} get. Tells when its credentials end, in milliseconds
   * since the epoch, where they do.
   * @param narrowTo the key that it may write, where the source narrows what it signs for others
   */
  async signer(narrowTo?: { key: string; seconds: number; now: number }): Promise<Signing> {
    const { sdk, signer, narrow } = await this.#ready()
    const client = narrowTo === undefined || narrow === undefined ? signer : await narrow(narrowTo)
    const { expiration } = await client.config.credentials().catch((error: unknown) => {
      throw this.mapError(error, undefined)
    })
    return { sdk, client, expiresAt: expiration?.getTime() }
  }

  /**
   * Signs the reading of one object for others, without the SDK. `undefined` where only the SDK can.
   * @param last gives the seconds that the URL can last, from when the credentials end
   */
  async presignGet(
    key: string,
    now: number,
    last: (expiresAt: number | undefined) => number,
  ): Promise<{ url: string; expiresIn: number } | undefined> {
    if ((this.#options.dataPath ?? 'lean') !== 'lean') return undefined
    try {
      const lean = await this.#leanPath()
      return await lean?.presign(key, now, last)
    } catch (error) {
      throw this.mapError(error, key)
    }
  }

  /** Opens an answer of the bucket that does not end by itself. The query is encoded and sorted. @throws StowageError */
  async listen(query: string, signal: AbortSignal): Promise<BodySource> {
    const lean = await this.#leanPath()
    if (lean === undefined) throw notSupported(this.#adapter, 'watch')
    return this.#once({ signal }, (flow) => lean.listen(query, flow))
  }

  /** Makes a StowageError of what a call or a body failed with. */
  mapError(error: unknown, key: string | undefined): StowageError {
    return mapS3Error(error, this.#where(key), this.clock.now())
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#paths?.catch(() => undefined)
    const lean = await this.#lean?.catch(() => undefined)
    lean?.close()
    const ready = await this.#clients?.catch(() => undefined)
    ready?.client.destroy()
    ready?.signer.destroy()
  }

  async #repeated<T>(options: SendOptions, attempt: () => Promise<T>): Promise<T> {
    this.begin(options.signal)
    return withRetries(attempt, {
      attempts: options.attempts ?? this.#options.attempts ?? 3,
      clock: this.clock,
      random: this.#random,
      signal: options.signal,
      repeatable: options.repeatable ?? true,
      counts: this.attempts,
    })
  }

  async #once<T>({ key, signal, slow }: SendOptions, request: (flow: Flow) => Promise<T>): Promise<T> {
    this.begin(signal)
    const mapError = (error: unknown): StowageError => this.mapError(error, key)
    const where = this.#where(key)
    return runAttempt({ signal, slow, inactivityMs: this.#inactivityMs, where, mapError }, request)
  }

  #where(key: string | undefined): Where {
    return { id: this.#adapter.id, bucket: this.bucket, endpoint: this.endpoint, key }
  }

  #dataPath(): Promise<DataPath> {
    this.#paths ??= this.#choosePath()
      .then((path) => {
        this.#path = path
        return path
      })
      .catch((error: unknown) => {
        this.#paths = undefined
        throw this.mapError(error, undefined)
      })
    return this.#paths
  }

  async #choosePath(): Promise<DataPath> {
    const lean = (this.#options.dataPath ?? 'lean') === 'lean' ? await this.#leanPath() : undefined
    if (lean !== undefined) return lean
    const { sdk, client } = await this.#ready()
    return new SdkPath(sdk, client, this.bucket, this.#dialect)
  }

  /** `undefined` for buckets that ask for another signature than it knows. */
  #leanPath(): Promise<LeanPath | undefined> {
    this.#lean ??= this.#openLean().catch((error: unknown) => {
      this.#lean = undefined
      throw error
    })
    return this.#lean
  }

  async #openLean(): Promise<LeanPath | undefined> {
    const address = await resolveAddress(this.#options, this.#profile, () => this.#ready())
    if (address === undefined) return undefined
    const { tls, maxSockets, connectTimeoutMs } = this.#options
    return new LeanPath({
      address,
      dialect: this.#dialect,
      credentials: this.#credentials(),
      clock: this.clock,
      maxSockets: maxSockets ?? 64,
      connectTimeoutMs: connectTimeoutMs ?? 10_000,
      gate: this.#gate,
      ca: tls?.ca === undefined ? undefined : await readAuthorities(this.#adapter, tls.ca),
    })
  }

  /** The given keys, or those that the SDK's chain finds and renews. */
  #credentials(): () => Credentials | Promise<Credentials> {
    const { accessKey, secretKey, sessionToken, assumeRole, credentials } = this.#options
    const isFixed = assumeRole === undefined && credentials === undefined
    if (isFixed && accessKey !== undefined && secretKey !== undefined) {
      const fixed = { accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken }
      return () => fixed
    }
    return async () => (await this.#ready()).client.config.credentials()
  }

  #ready(): Promise<Clients> {
    this.#clients ??= this.#connect().catch((error: unknown) => {
      this.#clients = undefined
      throw error
    })
    return this.#clients
  }

  async #connect(): Promise<Clients> {
    const { region = 'us-east-1', endpoint, pathStyle, maxSockets, connectTimeoutMs, tls } = this.#options
    const sdk = await loadSdk()
    const ca = tls?.ca === undefined ? undefined : await readAuthorities(this.#adapter, tls.ca)
    const agents = await guardedAgents(this.#gate, { maxSockets: maxSockets ?? 64, ca })
    const requestHandler = {
      connectionTimeout: connectTimeoutMs ?? 10_000,
      httpAgent: agents.http,
      httpsAgent: agents.https,
      logger: silent,
    }
    const config = {
      region,
      forcePathStyle: pathStyle ?? this.#profile.pathStyle(this.#options),
      // Our own retries know what may be repeated.
      maxAttempts: 1,
      // Checksums are computed here, natively and once; the SDK's own would need a chunked encoding for streams.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // The SDK opens a connection of its own for every request that waits for "continue".
      expectContinueHeader: false,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(await credentialsOf(this.#options, { region, requestHandler })),
      requestHandler,
      logger: silent,
    } as const
    const client = new sdk.S3Client(config)
    addRequestHeaders(client, this.#dialect)
    // One set of temporary credentials for both.
    const signer = new sdk.S3Client({ ...config, credentials: client.config.credentials })
    return { sdk, client, signer, narrow: this.#narrow(sdk, config, signer) }
  }

  #narrow(sdk: Sdk, config: S3ClientConfig, signer: S3Client): Clients['narrow'] {
    const { narrowing: settings, region = 'us-east-1', bucket, encryption } = this.#options
    const endpoint = ownEndpoint(this.#options)
    if (settings === undefined) return undefined
    const { requestHandler } = config as { requestHandler: object }
    const narrowing = new Narrowing({
      adapter: this.#adapter,
      bucket,
      settings,
      region,
      endpoint,
      encryption,
      requestHandler,
    })
    return async ({ key, seconds, now }) => {
      const credentials = await narrowing.credentialsFor(key, seconds, now, signer.config.credentials)
      return new sdk.S3Client({ ...config, credentials })
    }
  }
}

function missing(id: string, field: string): StowageError {
  return new StowageError('configuration', `${id}: ${field} is missing.`, { sourceId: id, field })
}
