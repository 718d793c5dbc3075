import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openCatalog } from '@stowage/catalog'
import type { SyncStore } from '@stowage/core'
import { createTaskQueue, memoryStore, type SyncResult, type TaskCarrier, type TaskService } from '@stowage/sync'
import { bullCarrier, connectionOf, queueName } from '@stowage/sync/bullmq'
import { startPostgres, startRedis, tempDir } from '@stowage/test-support'
import { Queue, Worker } from 'bullmq'
import { median } from './large-file.ts'

const ROUNDS = 3
const TASKS = 200
const CONCURRENCY = 16
/** Tasks that wait behind those that are taken, in the last figure. */
const BEHIND = 100_000

const nothing = { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 }
const noBytes = { transferred: 0, total: 0, resumed: 0 }

/** What the queue costs by itself: tasks that do nothing, put in, taken and ended, by one process. Beside it, jobs of bare BullMQ. */
export async function benchQueue(): Promise<void> {
  await using postgres = await startPostgres()
  await using redis = await startRedis()
  const schema = () => `bench_${randomUUID().replaceAll('-', '')}`
  const sqlite = () => openCatalog({ type: 'sqlite', path: join(tempDir('bench-queue'), 'catalog.db') })
  const kinds: Record<string, () => Promise<{ put: number; done: number }>> = {
    'local, in memory': () => measure(memoryStore()),
    'local, in SQLite': async () => {
      await using catalog = closing(await sqlite())
      return await measure(catalog.value.sync)
    },
    'local, in PostgreSQL': async () => {
      await using catalog = closing(await openCatalog({ type: 'postgres', url: postgres.url, schema: schema() }))
      return await measure(catalog.value.sync)
    },
    'BullMQ, in PostgreSQL': async () => {
      await using catalog = closing(await openCatalog({ type: 'postgres', url: postgres.url, schema: schema() }))
      return await measure(catalog.value.sync, bullCarrier({ redis: redis.url, prefix: schema() }))
    },
    'bare BullMQ': () => bare(redis.url),
  }
  const figures = new Map<string, { put: number[]; done: number[] }>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(kinds)) {
      const { put, done } = await run()
      const known = figures.get(name) ?? { put: [], done: [] }
      figures.set(name, { put: [...known.put, put], done: [...known.done, done] })
    }
  }
  for (const [name, { put, done }] of figures) {
    process.stdout.write(
      `  ${name.padEnd(22)} ${median(put).toFixed(0).padStart(6)} put in a second, ${median(done).toFixed(0).padStart(6)} taken and ended a second\n`,
    )
  }
  const path = join(tempDir('bench-queue'), 'catalog.db')
  await using catalog = closing(await openCatalog({ type: 'sqlite', path }))
  await fill(catalog.value.sync, path)
  const { done } = await measure(catalog.value.sync)
  const { waiting } = await createTaskQueue({ store: catalog.value.sync }).depth()
  process.stdout.write(`  in SQLite, with ${waiting} more waiting: ${done.toFixed(0)} taken and ended a second\n`)
}

/** Lets many tasks wait: copies of one that was put in, less urgent than those that are measured, written as one. */
async function fill(store: SyncStore, path: string): Promise<void> {
  const queue = createTaskQueue({ store })
  const ends = { sourceId: 'a', sourcePrefix: 'x/', targetId: 'b', targetPrefix: 'y/' }
  const { id } = await queue.enqueue({ ...ends, priority: -100 })
  const records: { key: string; value: string }[] = []
  for (const prefix of ['queue/', 'task/']) {
    for (const key of await store.list(prefix)) {
      const found = await store.get(key)
      if (found !== undefined) records.push({ key, value: Buffer.from(found.value).toString() })
    }
  }
  const database = new DatabaseSync(path)
  database.exec('begin immediate')
  const insert = database.prepare('insert into records (key, value, revision) values (?, ?, 1)')
  for (let i = 1; i < BEHIND; i++) {
    const copy = (text: string) => Buffer.from(text.replaceAll(id, `${id}-${i}`))
    for (const { key, value } of records) insert.run(copy(key), copy(value))
  }
  database.exec('commit')
  database.close()
}

/** Tasks a second put in, and taken and ended. */
async function measure(store: SyncStore, carrier?: TaskCarrier): Promise<{ put: number; done: number }> {
  const queue = createTaskQueue({ store, ...(carrier === undefined ? {} : { carrier }) })
  const putIn = await seconds(() => put(queue, TASKS))
  const stop = new AbortController()
  let left = TASKS
  const done = await seconds(() =>
    queue.work({
      concurrency: CONCURRENCY,
      signal: stop.signal,
      run: async (task): Promise<SyncResult> => {
        if (--left === 0) stop.abort()
        return {
          taskId: task.id,
          status: 'success',
          objects: nothing,
          bytes: noBytes,
          seconds: 0,
          errors: [],
          warnings: [],
        }
      },
    }),
  )
  await queue.close()
  return { put: TASKS / putIn, done: TASKS / done }
}

async function put(queue: TaskService, count: number): Promise<void> {
  let left = count
  const one = async (): Promise<void> => {
    while (left-- > 0) await queue.enqueue({ sourceId: 'a', sourcePrefix: 'x/', targetId: 'b', targetPrefix: 'y/' })
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, one))
}

/** The same with jobs of BullMQ that nobody keeps a record of. */
async function bare(redis: string): Promise<{ put: number; done: number }> {
  const connection = { ...connectionOf({ redis }), maxRetriesPerRequest: null }
  const prefix = `bare-${randomUUID()}`
  const queue = new Queue(queueName, { connection, prefix })
  let left = TASKS
  const one = async (): Promise<void> => {
    while (left-- > 0) await queue.add('sync', { format: 1, taskId: randomUUID() }, { priority: 1 })
  }
  const putIn = await seconds(() => Promise.all(Array.from({ length: CONCURRENCY }, one)))
  const over = Promise.withResolvers<void>()
  let ended = 0
  const done = await seconds(async () => {
    const worker = new Worker(queueName, async () => undefined, {
      connection,
      prefix,
      concurrency: CONCURRENCY,
      removeOnComplete: { count: 0 },
    })
    worker.on('completed', () => {
      if (++ended === TASKS) over.resolve()
    })
    await over.promise
    await worker.close()
  })
  await queue.close()
  return { put: TASKS / putIn, done: TASKS / done }
}

function closing<T extends { close(): Promise<void> }>(value: T): { value: T } & AsyncDisposable {
  return { value, [Symbol.asyncDispose]: () => value.close() }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}
