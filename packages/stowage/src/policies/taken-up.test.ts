import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { type Alert, type StorageAdapter, StowageError, systemRandom } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { processOwner } from '@stowage/sync'
import { LeapClock } from '@stowage/sync/testing'
import { tempDir } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import { Records } from './records.ts'

const ada = { userId: 'ada', userType: 'external' } as const
const policies = [{ id: 'inward', on: 'publish' as const, from: '*', to: 'b' }]

let a: StorageAdapter
let b: StorageAdapter
let catalog: Catalog
let clock: LeapClock
let alerts: Alert[]

beforeEach(async () => {
  ;[a, b] = [memory({ id: 'a' }), memory({ id: 'b' })]
  for (const adapter of [a, b]) adapter.close = async () => undefined
  clock = new LeapClock()
  catalog = await openCatalog({ type: 'memory' }, { clock })
  alerts = []
})

async function open(options: { background?: boolean; policies?: typeof policies } = {}): Promise<Stowage> {
  const sources = [
    { id: 'a', type: 'memory' as const, isPublic: true },
    { id: 'b', type: 'memory' as const },
  ]
  const { background = true } = options
  const stowage = await createStowage(
    { sources, policies: options.policies ?? policies },
    { background, adapters: { a, b }, catalog, clock },
  )
  stowage.events.on('alert', (alert) => alerts.push(alert))
  return stowage
}

/** A process that published, and died before it looked at its policies. */
async function published(): Promise<string> {
  const stowage = await open({ background: false })
  const cats = await stowage.as(ada).datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  await draft.put('f', Buffer.from('cats'))
  await cats.publish(draft)
  await stowage.close()
  return cats.id
}

/** The same, and that it had begun with them. */
async function taken(): Promise<void> {
  await published()
  await catalog.datasets.takeOutbox(1, 60_000)
}

const isThere = async (id: string): Promise<boolean> =>
  (await catalog.datasets.listReplicas(id)).some(({ sourceId, status }) => sourceId === 'b' && status === 'ready')

/** A call that comes to no end, also when it is given up. */
const stall = () => new Promise<never>(() => undefined)

/** One that comes to an end when it is given up. */
const silence = (signal?: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal?.addEventListener('abort', () => reject(new StowageError('aborted', 'given up')), { once: true }),
  )

const silent = {
  head: (_: string, options?: { signal?: AbortSignal }) => silence(options?.signal),
  list: async function* (options?: { signal?: AbortSignal }) {
    yield await silence(options?.signal)
  },
}

describe('what an earlier process left of publications', () => {
  it('is brought to its end by the next one, as soon as that is there', async () => {
    const id = await published()
    const next = await open()
    await next.idle()
    expect(await isThere(id)).toBe(true)
    expect(await catalog.datasets.takeOutbox(1, 1)).toEqual([])
    await next.close()
    expect(alerts).toEqual([])
  })

  it('is waited for when that one had begun with it, and idle does not wait', async () => {
    const id = await published()
    await catalog.datasets.takeOutbox(1, 60_000)
    const next = await open()
    await next.idle()
    expect(await isThere(id)).toBe(false)
    clock.leap(60_000)
    await expect.poll(() => isThere(id)).toBe(true)
    await next.close()
    expect(alerts).toEqual([])
  })

  it('is taken up within seconds by one that is open when a process of its machine dies', async () => {
    const id = await published()
    const [entry] = await catalog.datasets.takeOutbox(1, 60_000)
    const records = new Records({ store: catalog.sync, clock, random: systemRandom })
    const isAtIt = (owner: object): Promise<void> =>
      records.write(`policy/outbox/${entry?.id}`, { id: entry?.id, attempts: entry?.attempts, owner })
    await isAtIt(processOwner.identity)
    const next = await open()
    await next.idle()
    clock.leap(2000)
    expect(await isThere(id)).toBe(false)
    await isAtIt({ ...processOwner.identity, startTime: 'never' })
    clock.leap(2000)
    await expect.poll(() => isThere(id)).toBe(true)
    await next.close()
    expect(alerts).toEqual([])
  })

  it('is tried once, and again with the next publication or process, when it cannot be done', async () => {
    const id = await published()
    const { put } = b
    b.put = () => Promise.reject(new StowageError('access-denied', 'no'))
    const next = await open()
    await next.idle()
    expect(alerts).toMatchObject([{ code: 'access-denied' }])
    await next.close()
    b.put = put
    const last = await open()
    await last.idle()
    expect(await isThere(id)).toBe(true)
    await last.close()
  })

  it('is left alone by a process without a background, or without such policies', async () => {
    const id = await published()
    for (const options of [{ background: false }, { policies: [] }]) {
      const other = await open(options)
      await other.idle()
      await other.close()
    }
    expect(await catalog.datasets.outboxHeldFor()).toBeUndefined()
    expect(await isThere(id)).toBe(false)
    expect(await catalog.datasets.takeOutbox(1, 1)).toMatchObject([{ attempts: 1 }])
  })
})

describe('a process that closes at once', () => {
  it.each([
    ['there is nothing', async () => undefined],
    ['a publication waits', published],
    ['another process has one', taken],
    ['its source does not answer', () => published().then(() => Object.assign(a, { get: stall }))],
    ['its target does not answer', () => published().then(() => Object.assign(b, silent))],
  ] as [string, () => Promise<unknown>][])('neither waits nor warns, when %s', async (_, prepare) => {
    await prepare()
    for (let turns = 0; turns < 200; turns += 7) {
      const stowage = await open()
      for (let i = 0; i < turns; i++) await Promise.resolve()
      await stowage.close()
    }
    const stowage = await open()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await stowage.close()
    expect(alerts).toEqual([])
  })
})

it('a process that is killed in the middle of a copy is followed at once by one of its machine that ends it', async () => {
  const cwd = tempDir('taken-up')
  for (const name of ['a', 'b', 'folder']) mkdirSync(join(cwd, name))
  for (let i = 0; i < 30; i++) writeFileSync(join(cwd, 'folder', `f${i}`), `${i}`)
  const config = {
    sources: [
      { id: 'a', type: 'filesystem' as const, root: join(cwd, 'a'), isPublic: true },
      { id: 'b', type: 'filesystem' as const, root: join(cwd, 'b') },
    ],
    catalog: { type: 'sqlite' as const, path: join(cwd, 'catalog.db') },
    policies,
  }
  const program = `
    const { createStowage } = await import(${JSON.stringify(join(import.meta.dirname, '../index.ts'))})
    const { filesystem } = await import('@stowage/adapters/filesystem')
    const b = filesystem({ id: 'b', root: ${JSON.stringify(join(cwd, 'b'))} })
    const put = b.put.bind(b)
    let puts = 0
    b.put = (...args) => (++puts < 12 ? put(...args) : process.kill(process.pid, 'SIGKILL'))
    const stowage = await createStowage(${JSON.stringify(config)}, { adapters: { b } })
    const cats = await stowage.as({ userId: 'ada', userType: 'external' }).datasets.create({ name: 'cats' })
    await cats.upload(${JSON.stringify(join(cwd, 'folder'))})
    await stowage.idle()`
  const killed = spawnSync(process.execPath, ['--conditions=stowage-source', '--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  expect(killed.signal, killed.stderr).toBe('SIGKILL')
  const arrived = (): number =>
    readdirSync(join(cwd, 'b'), { recursive: true }).filter((name) => /\/f\d+$/.test(String(name))).length
  expect(arrived()).toBeLessThan(30)
  // By this clock the dead one holds it for ever.
  const next = await createStowage(config, { clock: new FakeClock(Date.now()) })
  const told: Alert[] = []
  next.events.on('alert', (alert) => told.push(alert))
  await expect
    .poll(async () => (await (await next.as(ada).datasets.get('cats')).show()).replicas)
    .toMatchObject([{ status: 'ready' }, { status: 'ready' }])
  expect(arrived()).toBe(30)
  await next.close()
  expect(told).toEqual([])
})
