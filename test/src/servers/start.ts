import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type GuardedProcess, startGuarded } from '../run/guard.ts'
import { testSecret } from '../secrets/marker.ts'
import { tempDir } from '../tmp.ts'
import { createCertificate } from './certificate.ts'
import type { OwnServer, StartOptions, TestServer } from './server.ts'
import { s3Request } from './signed.ts'

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** The status of a GET, `0` when nobody answers. */
export function statusOf(url: string, ca?: string): Promise<number> {
  const get = url.startsWith('https:') ? httpsGet : httpGet
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 2_000, ca }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(0))
  })
}

/** How a kind of server is started. */
export interface ServerKind {
  /** For messages and folder names: `minio`. */
  readonly name: string
  readonly binary: string
  /** `certs` is a folder with `public.crt` and `private.key`, empty without TLS. */
  command(place: { address: string; data: string; certs: string }): {
    args: string[]
    env: Readonly<Record<string, string>>
  }
}

const startTimeoutMs = 60_000

/** The keys that every test server is started with. */
export const testKeys: { readonly accessKey: string; readonly secretKey: string } = {
  accessKey: 'stowage-test',
  get secretKey() {
    return testSecret('root-of-a-store')
  },
}

/** True when the server answers a signed call. MinIO's health endpoints say yes before it does. */
export async function isReady(server: TestServer): Promise<boolean> {
  return s3Request(server, { method: 'GET', path: '/' }).then(
    ({ status }) => status === 200,
    () => false,
  )
}

/** Starts a server of this kind on a free port and waits until it is ready. */
export async function startServer(kind: ServerKind, options: StartOptions = {}): Promise<OwnServer> {
  const home = tempDir(kind.name)
  const data = join(home, 'data')
  const certs = join(home, 'certs')
  const log = join(home, 'log')
  mkdirSync(data)
  mkdirSync(certs)
  const ca = options.tls ? writeCertificate(certs) : undefined
  let port = await freePort()
  let running: GuardedProcess

  const identity = () => ({
    endpoint: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    ...testKeys,
    region: 'us-east-1',
    dataDir: data,
    ca,
  })

  async function launch(): Promise<void> {
    const { args, env } = kind.command({ address: `127.0.0.1:${port}`, data, certs })
    running = await startGuarded(kind.binary, args, { env: { ...process.env, ...env, ...options.env }, log })
    const deadline = Date.now() + startTimeoutMs
    while (!(await isReady({ ...identity(), pid: running.pid }))) {
      const late = Date.now() > deadline
      if (running.running && !late) {
        await sleep(50)
        continue
      }
      await running.end('SIGKILL')
      const printed = readFileSync(log, 'utf8').slice(-2_000)
      throw new Error(`${kind.name} ${late ? 'was not ready in time' : 'ended while starting'}:\n${printed}`)
    }
  }

  await launch().catch(async () => {
    // Someone else may have taken the port in between.
    port = await freePort()
    await launch()
  })

  async function stop(): Promise<void> {
    await running.end()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }

  return {
    ...identity(),
    get pid() {
      return running.pid
    },
    stop,
    kill: () => running.end('SIGKILL'),
    async restart() {
      await running.end()
      await launch()
    },
    [Symbol.asyncDispose]: stop,
  }
}

function writeCertificate(folder: string): string {
  const { cert, key } = createCertificate()
  writeFileSync(join(folder, 'public.crt'), cert)
  writeFileSync(join(folder, 'private.key'), key, { mode: 0o600 })
  return cert
}
