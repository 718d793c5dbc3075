import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCatalog } from '@stowage/catalog'
import { expectCode } from '@stowage/core/testing'
import { testTaskQueue } from '@stowage/sync/testing'
import { tempDir, withPostgres, withRedis } from '@stowage/test-support'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createStowage } from './create.ts'

testTaskQueue({
  name: 'local, in SQLite',
  create: async () => {
    const catalog = await openCatalog({ type: 'sqlite', path: join(tempDir('queue'), 'catalog.db') })
    return { store: catalog.sync, cleanup: () => catalog.close() }
  },
})

await withPostgres(({ url }) => {
  const open = () => openCatalog({ type: 'postgres', url, schema: `q_${randomUUID().replaceAll('-', '')}` })
  testTaskQueue({
    name: 'local, in PostgreSQL',
    create: async () => {
      const catalog = await open()
      return { store: catalog.sync, cleanup: () => catalog.close() }
    },
  })
})

/** A Stowage on two folders, the first of which has some files. */
async function world(queue: { type: 'local' } | { type: 'bullmq'; redis: string; prefix: string } = { type: 'local' }) {
  const home = tempDir('queue')
  for (const name of ['from/raw', 'to']) mkdirSync(join(home, name), { recursive: true })
  for (let i = 0; i < 5; i++) writeFileSync(join(home, 'from/raw', `${i}.txt`), `file ${i}`)
  const stowage = await createStowage({
    sources: [
      { id: 'from', type: 'filesystem', root: join(home, 'from') },
      { id: 'to', type: 'filesystem', root: join(home, 'to'), isPublic: true },
    ],
    catalog: { type: 'sqlite', path: join(home, 'catalog.db') },
    policies: [{ id: 'inward', on: 'publish', from: 'to', to: 'from' }],
    queue,
  })
  onTestFinished(() => stowage.close())
  return { home, stowage }
}

const pair = { sourceId: 'from', sourcePrefix: 'raw/', targetId: 'to', targetPrefix: 'copy/' }
const patience = { timeout: 120_000, interval: 20 }

it('does a task that was put into the queue', async () => {
  const { home, stowage } = await world()
  const task = await stowage.tasks.enqueue({ ...pair, priority: 3 })
  expect(await stowage.tasks.get(task.id)).toMatchObject({ status: 'pending' })
  expect(await stowage.tasks.queued(task.id)).toMatchObject({ state: 'waiting', priority: 3 })
  const stop = new AbortController()
  const work = stowage.work({ signal: stop.signal })
  await vi.waitFor(async () => expect((await stowage.tasks.get(task.id)).status).toBe('success'), patience)
  await vi.waitFor(async () => expect(await stowage.tasks.queued(task.id)).toBeUndefined(), patience)
  expect(readFileSync(join(home, 'to/copy/4.txt'), 'utf8')).toBe('file 4')
  expect(await stowage.tasks.get(task.id)).toMatchObject({ objects: { copied: 5 }, progress: 100 })
  stop.abort()
  await work
})

it('brings a version of a dataset to its target', async () => {
  const { home, stowage } = await world()
  const cats = await stowage.as({ userId: 'ada', userType: 'external' }).datasets.create({ name: 'cats' })
  await cats.upload(join(home, 'from/raw'))
  await stowage.idle()
  const task = await stowage.tasks.enqueue({
    sourceId: 'to',
    sourcePrefix: '',
    targetId: 'from',
    targetPrefix: '',
    datasetId: cats.id,
    version: 1,
  })
  const stop = new AbortController()
  const work = stowage.work({ signal: stop.signal })
  await vi.waitFor(async () => expect((await stowage.tasks.get(task.id)).status).toBe('success'), patience)
  stop.abort()
  await work
})

it('refuses a source that there is not, and gives up a task that can never succeed', async () => {
  const { stowage } = await world()
  await expectCode(stowage.tasks.enqueue({ ...pair, targetId: 'nowhere' }), 'configuration', 'not-found')
  const task = await stowage.tasks.enqueue({ ...pair, targetId: 'from', targetPrefix: 'raw/inside/' })
  const stop = new AbortController()
  const work = stowage.work({ signal: stop.signal })
  await vi.waitFor(async () => expect(await stowage.tasks.queued(task.id)).toMatchObject({ state: 'dead' }), patience)
  await vi.waitFor(async () => expect(await stowage.tasks.depth()).toMatchObject({ dead: 1 }), patience)
  const dead: string[] = []
  for await (const { id, errorCode } of stowage.tasks.dead()) dead.push(`${id} ${errorCode}`)
  expect(dead).toEqual([`${task.id} unsafe`])
  stop.abort()
  await work
})

await withRedis(({ url }) => {
  it('does it by way of BullMQ', async () => {
    const { home, stowage } = await world({ type: 'bullmq', redis: url, prefix: `test-${randomUUID()}` })
    const task = await stowage.tasks.enqueue(pair)
    const stop = new AbortController()
    const work = stowage.work({ signal: stop.signal })
    await vi.waitFor(async () => expect((await stowage.tasks.get(task.id)).status).toBe('success'), patience)
    expect(readFileSync(join(home, 'to/copy/0.txt'), 'utf8')).toBe('file 0')
    stop.abort()
    await work
  })

  it('tells what is wrong with the address of Redis, without its password', async () => {
    const redis = 'http://ada:hidden-word-77@h'
    const error = await expectCode(createStowage({ sources: [], queue: { type: 'bullmq', redis } }), 'configuration')
    expect(error.message).not.toContain('hidden-word-77')
    expect(error.field).toBe('queue.redis')
  })
})
