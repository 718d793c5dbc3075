/** A server that speaks S3, for tests. */
export interface TestServer {
  /** `http://127.0.0.1:PORT`, or `https:` when it was started with TLS. */
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
  /** The server's process; `undefined` when it runs in a container. */
  readonly pid: number | undefined
  /** Where it keeps its data; `undefined` when it runs in a container. */
  readonly dataDir: string | undefined
  /** The certificate to trust, as PEM, when it was started with TLS. */
  readonly ca?: string | undefined
}

/** A server of one test, which may do with it what it likes. */
export interface OwnServer extends TestServer, AsyncDisposable {
  /** Ends it in an orderly way and removes its data. */
  stop(): Promise<void>
  /** Ends it at once (`SIGKILL`), and keeps its data for `restart`. */
  kill(): Promise<void>
  /** Starts it again with the same data, address and keys. A new `pid`; still the same object. */
  restart(): Promise<void>
}

export interface StartOptions {
  /** Serve HTTPS, with a certificate for `127.0.0.1` and `localhost` that `ca` verifies. */
  readonly tls?: boolean
  /** More environment variables for the server, such as `MINIO_NOTIFY_WEBHOOK_ENABLE_x`. */
  readonly env?: Readonly<Record<string, string>>
}

/** There is no such server on this machine, and none could be made. The message says what was tried. */
export class ServerUnavailable extends Error {
  override readonly name = 'ServerUnavailable'
}
