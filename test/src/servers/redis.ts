import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { askMain } from '../run/coordinator.ts'
import { type GuardedProcess, startGuarded } from '../run/guard.ts'
import { testSecret } from '../secrets/marker.ts'
import { tempDir } from '../tmp.ts'
import { createCertificate } from './certificate.ts'
import { findBinary } from './find.ts'
import { ServerUnavailable } from './server.ts'
import { freePort } from './start.ts'

/** A Redis of the tests. */
export interface RedisServer {
  /** `redis://:password@127.0.0.1:port`, or `rediss://…` */
  readonly url: string
  readonly pid: number
}

/** A Redis of one test, which may do with it what it likes. */
export interface OwnRedis extends RedisServer, AsyncDisposable {
  /** The file with the certificate that its own is signed by, when it speaks TLS. */
  readonly ca: string | undefined
  /** Ends it at once. */
  kill(): Promise<void>
  /** Starts it again at the same port: with nothing in it, unless it keeps its data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const startTimeoutMs = 30_000

/** `STOWAGE_TEST_REDIS`, the PATH, where Debian keeps it. @throws ServerUnavailable */
function findRedis(): string {
  const wanted = process.env['STOWAGE_TEST_REDIS']
  if (wanted) {
    if (existsSync(wanted)) return wanted
    throw new ServerUnavailable(`Redis: STOWAGE_TEST_REDIS names ${wanted}, where there is nothing`)
  }
  const found = findBinary('redis-server', ['/usr/bin'])
  if (found === undefined) throw new ServerUnavailable('Redis: no redis-server on the PATH')
  return found
}

/**
 * Starts a Redis of the caller's own, which it may kill.
 * @param options.keep write everything down at once, so that a restart brings it back; it keeps nothing by default
 * @param options.tls speak TLS only
 * @throws ServerUnavailable when there is none
 */
export async function startRedis(options: { keep?: boolean; tls?: boolean } = {}): Promise<OwnRedis> {
  const binary = findRedis()
  const home = tempDir('redis')
  const log = join(home, 'log')
  const password = testSecret('redis')
  const ca = options.tls ? join(home, 'cert.pem') : undefined
  let port = await freePort()
  let running: GuardedProcess
  if (ca !== undefined) {
    const { cert, key } = createCertificate()
    writeFileSync(ca, cert)
    writeFileSync(join(home, 'key.pem'), key)
  }

  async function launch(): Promise<void> {
    const secure = {
      port: 0,
      'tls-port': port,
      'tls-cert-file': ca ?? '',
      'tls-key-file': join(home, 'key.pem'),
      'tls-ca-cert-file': ca ?? '',
      'tls-auth-clients': 'no',
    }
    const settings = {
      ...(ca === undefined ? { port } : secure),
      bind: '127.0.0.1',
      dir: home,
      save: '',
      appendonly: options.keep ? 'yes' : 'no',
      requirepass: password,
      'maxmemory-policy': 'noeviction',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    running = await startGuarded(binary, args, { log })
    const deadline = Date.now() + startTimeoutMs
    while (!(await answers(port, password, ca))) {
      const late = Date.now() > deadline
      if (running.running && !late) {
        await sleep(20)
        continue
      }
      await running.end('SIGKILL')
      throw new Error(
        `redis ${late ? 'was not ready in time' : 'ended while starting'}:\n${readFileSync(log, 'utf8').slice(-2000)}`,
      )
    }
  }

  await launch().catch(async () => {
    port = await freePort()
    await launch()
  })
  const stop = (): Promise<void> => running.end('SIGTERM')
  return {
    url: `${ca === undefined ? 'redis' : 'rediss'}://:${password}@127.0.0.1:${port}`,
    ca,
    get pid() {
      return running.pid
    },
    kill: () => running.end('SIGKILL'),
    restart: async () => {
      await running.end('SIGKILL')
      await launch()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** True when it takes the password. */
function answers(port: number, password: string, ca: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const at = { host: '127.0.0.1', port, timeout: 1000 }
    const socket: Socket = ca === undefined ? createConnection(at) : connect({ ...at, ca: readFileSync(ca) })
    const done = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.on(ca === undefined ? 'connect' : 'secureConnect', () => socket.write(`AUTH ${password}\r\n`))
    socket
      .on('data', (data: Buffer) => done(data.toString().startsWith('+OK')))
      .on('error', () => done(false))
      .on('timeout', () => done(false))
      .on('close', () => done(false))
  })
}

let shared: Promise<RedisServer> | undefined

/** The Redis that all tests of a run share. @throws ServerUnavailable when there is none */
export function redis(): Promise<RedisServer> {
  shared ??= askMain('redis').then((answer) => {
    if (answer === undefined) return startRedis()
    if ('error' in answer) throw new ServerUnavailable(answer.error)
    return answer.value as RedisServer
  })
  return shared
}
