import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type CatalogLocation, openCatalog } from '@stowage/catalog'
import { createSync, createTaskQueue } from '@stowage/sync'
import { bullCarrier } from '@stowage/sync/bullmq'
import {
  type Proxy as Line,
  runs,
  startPostgres,
  startProxy,
  startRedis,
  tempDir,
  withMinio,
} from '@stowage/test-support'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { filled, KIB, type Stage, stage } from './stage.ts'

const objects = runs(360, 3000)
const size = 16 * KIB
const concurrency = 4
const lanes = 2
const leaseMs = 4000

/** A worker: it leads the sync or helps with it, again and again, until one run has brought it to its end. */
const program = `
  import { minio } from '@stowage/adapters/minio'
  import { openCatalog } from '@stowage/catalog'
  import { at, systemClock, systemRandom } from '@stowage/core'
  import { runAs } from '@stowage/sync/testing'
  const { location, from, to, lanes, concurrency, leaseMs } = JSON.parse(process.argv[1])
  const catalog = await openCatalog(location)
  const worker = { store: catalog.sync, clock: systemClock, random: systemRandom, afterKeys: 50, leaseMs }
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
  const { location, redis, from, to, lanes, concurrency, leaseMs } = JSON.parse(process.argv[1])
  const catalog = await openCatalog(location)
  const worker = { store: catalog.sync, clock: systemClock, random: systemRandom, afterKeys: 50, leaseMs }
  const places = { from: at(minio(from), 'in'), to: at(minio(to), 'out') }
  const queue = createTaskQueue({ store: catalog.sync, carrier: bullCarrier({ redis }) })
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  const run = (task, signal, hands) =>
    runAs(worker, { ...places, lanes, concurrency, taskId: task.id, signal, ...hands })
  console.log('ready')
  await queue.work({ run, concurrency: 1, signal: stop.signal })
  await queue.close()
  await catalog.close()
`

interface Worker {
  pid: number
  /** Its own line to the target. */
  line: Line
  /** It has said that it is there. */
  ready: Promise<unknown>
  ended: Promise<number | null>
}

async function start(here: Stage, location: CatalogLocation, redis?: string): Promise<Worker> {
  const line = await startProxy({ target: here.to.line.endpoint })
  const [from, to] = [here.from, here.to].map(
    ({ id, bucket, server: { accessKey, secretKey }, line: { endpoint } }) => {
      return { id, endpoint: id === 'to' ? line.endpoint : endpoint, bucket, accessKey, secretKey }
    },
  )
  const argument = JSON.stringify({ location, redis, from, to, lanes, concurrency, leaseMs })
  const child = spawn(
    process.execPath,
    [
      '--conditions=stowage-source',
      '--input-type=module',
      '--eval',
      redis === undefined ? program : queueProgram,
      argument,
    ],
    {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let failed = ''
  child.stderr.on('data', (text) => (failed += text))
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    pid: child.pid ?? 0,
    line,
    ready: once(child.stdout, 'data'),
    ended: new Promise((resolve, reject) => {
      child.on('exit', (code, signal) => {
        if (code === 0 || signal === 'SIGKILL') resolve(code)
        else reject(new Error(`A worker ended with ${code}: ${failed}`))
      })
    }),
  }
}

/** Until a worker has had a share of the work. */
async function shares({ line }: Worker): Promise<void> {
  while (line.bytesUp < 6 * size) await wait(20)
}

async function play(here: Stage, location: CatalogLocation, redis?: string): Promise<void> {
  const names = Array.from({ length: objects }, (_, i) => `in/part-${String(i).padStart(6, '0')}`)
  await here.from.fill(Object.fromEntries(names.map((name) => [name, filled(size, name)])))
  // Slow enough for all of them to have a share.
  here.to.proxy.rule = ({ call }) => (call === 'put' ? { before: () => wait(150) } : undefined)
  const workers = await Promise.all(Array.from({ length: 4 }, () => start(here, location, redis)))
  if (redis !== undefined) {
    // All are there before there is anything to do.
    await Promise.all(workers.map(({ ready }) => ready))
    await enqueue(location, redis)
  }
  const [first, second, third, fourth] = workers as [Worker, Worker, Worker, Worker]
  await shares(third)
  process.kill(third.pid, 'SIGSTOP')
  await shares(first)
  process.kill(first.pid, 'SIGKILL')
  await shares(second)
  process.kill(second.pid, 'SIGKILL')
  await wait(1.5 * leaseMs)
  process.kill(third.pid, 'SIGCONT')
  if (redis !== undefined) {
    await taskEnds(location)
    for (const { pid } of [third, fourth]) process.kill(pid, 'SIGTERM')
  }
  await Promise.all(workers.map(({ ended }) => ended))
  await here.expectSame()
  const puts = here.to.proxy.calls.filter(({ call }) => call === 'put')
  const times = new Map<string, number>()
  for (const { key } of puts) times.set(key, (times.get(key) ?? 0) + 1)
  const twice = [...times.values()].reduce((sum, count) => sum + count - 1, 0)
  // What each of the three had in flight, and nothing else.
  expect([times.size, twice <= 3 * concurrency, twice]).toEqual([objects, true, twice])
}

/** Puts the one task of a test into the queue. */
async function enqueue(location: CatalogLocation, redis: string): Promise<void> {
  const catalog = await openCatalog(location)
  const queue = createTaskQueue({ store: catalog.sync, carrier: bullCarrier({ redis }) })
  await queue.enqueue({ sourceId: 'from', sourcePrefix: 'in/', targetId: 'to', targetPrefix: 'out/' })
  await queue.close()
  await catalog.close()
}

/** Until it has ended, and well. */
async function taskEnds(location: CatalogLocation): Promise<void> {
  const catalog = await openCatalog(location)
  const queue = createTaskQueue({ store: catalog.sync })
  const { tasks } = createSync({ store: catalog.sync })
  const nothing = { waiting: 0, running: 0, delayed: 0, paused: 0, dead: 0 }
  try {
    await vi.waitFor(async () => expect(await queue.depth()).toEqual(nothing), { timeout: 240_000, interval: 200 })
    const states: string[] = []
    for await (const { status } of tasks.list()) states.push(status)
    expect(states).toEqual(['success'])
  } finally {
    await catalog.close()
  }
}

await withMinio((server) => {
  describe('four workers share one sync; two are killed, one is stopped past its lease and goes on', () => {
    it('with a catalog in SQLite', async () => {
      const here = await stage({ to: server })
      await play(here, { type: 'sqlite', path: join(tempDir('workers'), 'catalog.db') })
    }, 300_000)

    it('with a catalog in PostgreSQL', async () => {
      await using postgres = await startPostgres()
      const here = await stage({ to: server })
      await play(here, { type: 'postgres', url: postgres.url })
    }, 300_000)

    it('with a queue on Redis and a catalog in PostgreSQL', async () => {
      await using postgres = await startPostgres()
      await using redis = await startRedis()
      const here = await stage({ to: server })
      const location = { type: 'postgres', url: postgres.url } as const
      await play(here, location, redis.url)
    }, 300_000)
  })
})
