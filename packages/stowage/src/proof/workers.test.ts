import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Catalog, type CatalogLocation, openCatalog } from '@stowage/catalog'
import type { SyncTask } from '@stowage/core'
import { createSync, createTaskQueue } from '@stowage/sync'
import { bullCarrier } from '@stowage/sync/bullmq'
import { isPartitioned } from '@stowage/sync/testing'
import {
  nodeArgs,
  runs,
  type StoreProxy,
  startStoreProxy,
  tempDir,
  until,
  withMinio,
  withPostgres,
  withRedis,
} from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { filled, KIB, type Stage, stage } from './stage.ts'

const objects = runs(360, 3000)
const size = 16 * KIB
const concurrency = 4
const lanes = 2
const leaseMs = 8000
/** Bounds against hanging, and no measures. */
const patienceMs = runs(240_000, 1_200_000)
/** Keys after which the keys to come are divided among all. */
const afterKeys = 30

/** A worker: it leads the sync or helps with it, again and again, until one run has brought it to its end. */
const program = `
  import { minio } from '@stowage/adapters/minio'
  import { openCatalog } from '@stowage/catalog'
  import { at, systemClock, systemRandom } from '@stowage/core'
  import { runAs } from '@stowage/sync/testing'
  const { location, from, to, lanes, concurrency, afterKeys, leaseMs } = JSON.parse(process.argv[1])
  const catalog = await openCatalog(location)
  const worker = { store: catalog.sync, clock: systemClock, random: systemRandom, afterKeys, leaseMs }
  console.log('ready')
  const options = { from: at(minio(from), 'in'), to: at(minio(to), 'out'), lanes, concurrency, join: true }
  for (;;) {
    const result = await runAs(worker, options).catch((error) => {
      if (error.code === 'lease-lost') return { status: 'lost' }
      throw error
    })
    if (result.status === 'success') break
    await systemClock.sleep(200)
  }
  await catalog.close()
`

/** A worker of a queue: one has the task, and the others help. */
const queueProgram = `
  import { minio } from '@stowage/adapters/minio'
  import { openCatalog } from '@stowage/catalog'
  import { at, systemClock, systemRandom } from '@stowage/core'
  import { createTaskQueue } from '@stowage/sync'
  import { bullCarrier } from '@stowage/sync/bullmq'
  import { runAs } from '@stowage/sync/testing'
  const { location, redis, from, to, lanes, concurrency, afterKeys, leaseMs } = JSON.parse(process.argv[1])
  const catalog = await openCatalog(location)
  const worker = { store: catalog.sync, clock: systemClock, random: systemRandom, afterKeys, leaseMs }
  const places = { from: at(minio(from), 'in'), to: at(minio(to), 'out') }
  const queue = createTaskQueue({ store: catalog.sync, carrier: bullCarrier(redis) })
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  const run = (task, signal, hands) =>
    runAs(worker, { ...places, lanes, concurrency, taskId: task.id, signal, ...hands })
  console.log('ready')
  await queue.work({ run, concurrency: 1, signal: stop.signal })
  await queue.close()
  await catalog.close()
`

/** Where the tickets of a test are. */
interface RedisPlace {
  redis: string
  prefix: string
}

interface Worker {
  pid: number
  /** Its own way to the target. */
  way: StoreProxy
  /** What it said. */
  said(): string
  /** Its exit code, or what ended it. */
  end(): number | NodeJS.Signals | undefined
}

async function start(here: Stage, location: CatalogLocation, redis?: RedisPlace): Promise<Worker> {
  const way = await startStoreProxy({ target: here.to.line.endpoint })
  const [from, to] = [here.from, here.to].map(
    ({ id, bucket, server: { accessKey, secretKey }, line: { endpoint } }) => {
      return { id, endpoint: id === 'to' ? way.endpoint : endpoint, bucket, accessKey, secretKey }
    },
  )
  const argument = JSON.stringify({ location, redis, from, to, lanes, concurrency, afterKeys, leaseMs })
  const source = redis === undefined ? program : queueProgram
  const child = spawn(process.execPath, [...nodeArgs, '--input-type=module', '--eval', source, argument], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  onTestFinished(() => void child.kill('SIGKILL'))
  return { pid: child.pid ?? 0, way, said: () => said, end: () => child.exitCode ?? child.signalCode ?? undefined }
}

/**
 * Holds writes back until every worker has some of its own under way, so that each has a share whatever its pace, and until they are let go.
 * As long as there is nothing to share yet, they are only slowed: the one that has begun must come to where it divides the work.
 */
class Gate {
  readonly #workers: readonly Worker[]
  readonly #open = Promise.withResolvers<void>()
  readonly #waiting = new Set<Worker>()
  #divided = false
  #early = 0

  constructor(workers: readonly Worker[], isDivided: () => Promise<boolean>) {
    this.#workers = workers
    for (const worker of workers) {
      const before = async (): Promise<void> => {
        this.#divided ||= await isDivided()
        if (!this.#divided) return await wait(++this.#early < afterKeys ? 10 : 250)
        this.#waiting.add(worker)
        await this.#open.promise
        await wait(100)
      }
      worker.way.rule = ({ call }) => (call === 'put' ? { before } : undefined)
    }
  }

  /** Until every worker has writes under way. */
  async full(): Promise<void> {
    await until('each worker has a share', () => this.#waiting.size === this.#workers.length, {
      timeoutMs: patienceMs,
      seen: () => ({
        divided: this.#divided,
        workers: this.#workers.map((w) => ({ has: this.#waiting.has(w), end: w.end(), said: w.said() })),
      }),
    })
  }

  open(): void {
    this.#open.resolve()
  }
}

/** Stops a worker while it holds up nobody in the catalog: one that is stopped in the middle of a write may. */
async function stop({ pid }: Worker, { sync }: Catalog): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    process.kill(pid, 'SIGSTOP')
    const written = sync.put(`test/${crypto.randomUUID()}`, Buffer.from('x'), null).then(() => true)
    if (await Promise.race([written, wait(3000, false)])) return
    process.kill(pid, 'SIGCONT')
    await written
  }
  throw new Error('A worker was always in the middle of a write.')
}

async function play(here: Stage, location: CatalogLocation, redis?: RedisPlace): Promise<void> {
  const names = Array.from({ length: objects }, (_, i) => `in/part-${String(i).padStart(6, '0')}`)
  await here.from.fill(Object.fromEntries(names.map((name) => [name, filled(size, name)])))
  const catalog = await openCatalog(location)
  onTestFinished(() => catalog.close())
  const ends = [here.from, here.to].map(({ id }) => ({ adapter: { id }, prefix: id === 'from' ? 'in/' : 'out/' }))
  const [from, to] = ends as [(typeof ends)[0], (typeof ends)[0]]
  const workers = await Promise.all(Array.from({ length: 4 }, () => start(here, location, redis)))
  const gate = new Gate(workers, () => isPartitioned(catalog.sync, from, to))
  const ended = (some: readonly Worker[]): Promise<void> =>
    until('the workers have ended', () => some.every((worker) => worker.end() !== undefined), {
      timeoutMs: patienceMs,
      seen: () => some.map((worker) => ({ end: worker.end(), said: worker.said() })),
    })
  // All are there before there is anything to do.
  await until('all workers are ready', () => workers.every((worker) => worker.said().includes('ready')), {
    seen: () => workers.map((worker) => worker.said()),
  })
  if (redis !== undefined) await enqueue(catalog, redis)
  await gate.full()
  const [first, second, third, fourth] = workers as [Worker, Worker, Worker, Worker]
  await stop(third, catalog)
  for (const { pid } of [first, second]) process.kill(pid, 'SIGKILL')
  await ended([first, second])
  gate.open()
  await wait(1.2 * leaseMs)
  process.kill(third.pid, 'SIGCONT')
  if (redis !== undefined) {
    await taskEnds(catalog, workers)
    for (const { pid } of [third, fourth]) process.kill(pid, 'SIGTERM')
  }
  await ended([third, fourth])
  expect([third.end(), fourth.end()], third.said() + fourth.said()).toEqual([0, 0])
  await here.expectSame()
  const puts = here.to.proxy.calls.filter(({ call }) => call === 'put')
  const times = new Map<string, number>()
  for (const { key } of puts) times.set(key, (times.get(key) ?? 0) + 1)
  const twice = [...times.values()].reduce((sum, count) => sum + count - 1, 0)
  // What each of the three had in flight, and nothing else.
  expect([times.size, twice <= 3 * concurrency, twice]).toEqual([objects, true, twice])
}

/** Puts the one task of a test into the queue. */
async function enqueue(catalog: Catalog, redis: RedisPlace): Promise<void> {
  const queue = createTaskQueue({ store: catalog.sync, carrier: bullCarrier(redis) })
  await queue.enqueue({ sourceId: 'from', sourcePrefix: 'in/', targetId: 'to', targetPrefix: 'out/' })
  await queue.close()
}

/** Until it has ended, and well. */
async function taskEnds(catalog: Catalog, workers: readonly Worker[]): Promise<void> {
  const queue = createTaskQueue({ store: catalog.sync })
  const { tasks } = createSync({ store: catalog.sync })
  const left = async (): Promise<number> => Object.values(await queue.depth()).reduce((sum, count) => sum + count, 0)
  const told: SyncTask[] = []
  const look = async (): Promise<boolean> => {
    for await (const task of tasks.list()) told.push(task)
    return (await left()) === 0
  }
  await until('no task is left in the queue', look, {
    timeoutMs: patienceMs,
    everyMs: 200,
    seen: async () => ({ depth: await queue.depth(), workers: workers.map((worker) => worker.said()) }),
  })
  const ended: SyncTask[] = []
  for await (const task of tasks.list()) ended.push(task)
  expect(ended).toMatchObject([{ status: 'success', progress: 100, speed: 0 }])
  // Whoever leads tells of all of them, and what was told is never taken back.
  const sizes = [...told, ...ended].map(({ transferredSize }) => transferredSize)
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b))
  // What the killed had sent last is told by nobody.
  const [{ transferredSize = 0, totalSize = 0 } = {}] = ended
  expect(transferredSize).toBe(totalSize)
  expect(totalSize).toBeGreaterThan((objects * size) / 2)
  expect(totalSize).toBeLessThanOrEqual((objects + 3 * concurrency) * size)
}

/** A place in the database that is shared by all tests. */
function postgresAt(url: string): CatalogLocation {
  return { type: 'postgres', url, schema: `w_${crypto.randomUUID().replaceAll('-', '')}` }
}

await withMinio(async (server) => {
  const name = 'four workers share one sync; two are killed, one is stopped past its lease and goes on'
  const timeout = runs(900_000, 3_600_000)
  it(
    `${name}: with a catalog in SQLite`,
    async () => {
      const here = await stage({ to: server })
      await play(here, { type: 'sqlite', path: join(tempDir('workers'), 'catalog.db') })
    },
    timeout,
  )

  await withPostgres(async ({ url }) => {
    it(
      `${name}: with a catalog in PostgreSQL`,
      async () => {
        const here = await stage({ to: server })
        await play(here, postgresAt(url))
      },
      timeout,
    )

    await withRedis((redis) => {
      it(
        `${name}: with a queue on Redis and a catalog in PostgreSQL`,
        async () => {
          const here = await stage({ to: server })
          await play(here, postgresAt(url), { redis: redis.url, prefix: `workers-${crypto.randomUUID()}` })
        },
        timeout,
      )
    })
  })
})
