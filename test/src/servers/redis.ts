import { existsSync, readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askMain } from '../run/coordinator.ts'
import { type GuardedProcess, startGuarded } from '../run/guard.ts'
import { testSecret } from '../secrets/marker.ts'
import { tempDir } from '../tmp.ts'
import { findBinary } from './find.ts'
import { ServerUnavailable } from './server.ts'
import { freePort } from './start.ts'

/** A Redis of the tests. */
export interface RedisServer {
  /** `redis://:password@127.0.0.1:port` */
  readonly url: string
  readonly pid: number
}

/** A Redis of one test, which may do with it what it likes. */
export interface OwnRedis extends RedisServer, AsyncDisposable {
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
 * @throws ServerUnavailable when there is none
 */
export async function startRedis(options: { keep?: boolean } = {}): Promise<OwnRedis> {
  const binary = findRedis()
  const home = tempDir('redis')
  const log = join(home, 'log')
  const password = testSecret('redis')
  let port = await freePort()
  let running: GuardedProcess

  async function launch(): Promise<void> {
    const settings = {
      port,
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
    while (!(await answers(port, password))) {
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
    url: `redis://:${password}@127.0.0.1:${port}`,
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
function answers(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 1000 })
    const done = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.on('connect', () => socket.write(`AUTH ${password}\r\n`))
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
