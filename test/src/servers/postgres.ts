import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
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

/** A PostgreSQL of the tests. */
export interface PostgresServer {
  /** `postgres://…/postgres`, as a user who may do everything. */
  readonly url: string
  readonly pid: number
}

/** A PostgreSQL of one test, which may do with it what it likes. */
export interface OwnPostgres extends PostgresServer, AsyncDisposable {
  /** Ends it at once, and keeps its data for `restart`. */
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

const startTimeoutMs = 60_000
const user = 'stowage'

/** The folder with PostgreSQL's programs: `STOWAGE_TEST_POSTGRES`, the PATH, where Debian keeps them. @throws ServerUnavailable */
function findPostgres(): string {
  const wanted = process.env['STOWAGE_TEST_POSTGRES']
  if (wanted) {
    if (existsSync(join(wanted, 'initdb'))) return wanted
    throw new ServerUnavailable(`PostgreSQL: STOWAGE_TEST_POSTGRES names ${wanted}, where there is no initdb`)
  }
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const found = findBinary(
    'initdb',
    versions.map((version) => join(debian, version, 'bin')),
  )
  if (found === undefined) throw new ServerUnavailable('PostgreSQL: no initdb on the PATH nor in /usr/lib/postgresql')
  return join(found, '..')
}

/**
 * Starts a PostgreSQL of the caller's own, which it may kill.
 * @throws ServerUnavailable when there is none
 */
export async function startPostgres(): Promise<OwnPostgres> {
  const programs = findPostgres()
  const home = tempDir('postgres')
  const data = join(home, 'data')
  const log = join(home, 'log')
  mkdirSync(data)
  const as = servant(home, data)
  execFileSync(
    as[0],
    [...as[1], join(programs, 'initdb'), '-D', data, '-U', user, '--auth=trust', '-E', 'UTF8', '--no-sync'],
    {
      stdio: 'pipe',
      cwd: '/',
    },
  )
  let port = await freePort()
  let running: GuardedProcess

  async function launch(): Promise<void> {
    const settings = {
      port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: 'off',
      shared_buffers: '32MB',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    // SIGINT is PostgreSQL's fast shutdown; what is left behind by SIGKILL is cleared by the next start.
    running = await startGuarded(as[0], [...as[1], join(programs, 'postgres'), '-D', data, ...args], { log })
    const deadline = Date.now() + startTimeoutMs
    while (!(await answers(port))) {
      const late = Date.now() > deadline
      if (running.running && !late) {
        await sleep(50)
        continue
      }
      await running.end('SIGKILL')
      throw new Error(
        `postgres ${late ? 'was not ready in time' : 'ended while starting'}:\n${readFileSync(log, 'utf8').slice(-2000)}`,
      )
    }
  }

  await launch().catch(async () => {
    port = await freePort()
    await launch()
  })
  const stop = (): Promise<void> => running.end('SIGINT')
  return {
    url: `postgres://${user}:${testSecret('database')}@127.0.0.1:${port}/postgres`,
    get pid() {
      return running.pid
    },
    kill: () => running.end('SIGQUIT'),
    restart: async () => {
      await running.end('SIGINT')
      await launch()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made. */
function servant(home: string, data: string): [string, string[]] {
  if (process.getuid?.() !== 0) return ['env', []]
  const ids = execFileSync('sh', ['-c', 'id -u postgres; id -g postgres'], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number)
  const [uid = 0, gid = 0] = ids
  chownSync(data, uid, gid)
  // The folders above may be closed to others: it only has to get through.
  for (let folder = home; folder !== '/' && folder !== '/tmp'; folder = join(folder, '..')) chmodSync(folder, 0o711)
  return ['setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--']]
}

/** True when it takes connections: it answers a request for TLS, with yes or no. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 1000 })
    const done = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.on('connect', () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))
    socket
      .on('data', () => done(true))
      .on('error', () => done(false))
      .on('timeout', () => done(false))
      .on('close', () => done(false))
  })
}

let shared: Promise<PostgresServer> | undefined

/** The PostgreSQL that all tests of a run share. @throws ServerUnavailable when there is none */
export function postgres(): Promise<PostgresServer> {
  shared ??= askMain('postgres').then((answer) => {
    if (answer === undefined) return startPostgres()
    if ('error' in answer) throw new ServerUnavailable(answer.error)
    return answer.value as PostgresServer
  })
  return shared
}
