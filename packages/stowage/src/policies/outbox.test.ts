import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { type Alert, type StorageAdapter, StowageError } from '@stowage/core'
import { startCli, tempDir } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import { runIn } from '../cli/testing.ts'

const ada = { userId: 'ada', userType: 'external' } as const

let a: StorageAdapter
let b: StorageAdapter
let catalog: Catalog
let folder: string
let now: number
let alerts: Alert[]

interface Sources {
  b?: boolean
  without?: 'a' | 'b'
}

async function open({ b: enabled = true, without }: Sources = {}): Promise<Stowage> {
  const sources = [
    { id: 'a', type: 'memory' as const, isPublic: true },
    { id: 'b', type: 'memory' as const, enabled },
    { id: 'c', type: 'memory' as const, isPublic: true, priority: 900 },
  ].filter(({ id }) => id !== without)
  const stowage = await createStowage(
    { sources, policies: without === 'b' ? [] : [{ id: 'inward', on: 'publish', from: '*', to: 'b' }] },
    {
      background: false,
      adapters: { ...(without === 'a' ? {} : { a }), ...(without === 'b' ? {} : { b }) },
      catalog,
      clock: { now: () => now, sleep: () => new Promise((resolve) => setImmediate(resolve)) },
    },
  )
  alerts = []
  stowage.events.on('alert', (alert) => alerts.push(alert))
  return stowage
}

beforeEach(async () => {
  now = Date.now()
  ;[a, b] = [memory({ id: 'a' }), memory({ id: 'b' })]
  for (const adapter of [a, b]) adapter.close = async () => undefined
  catalog = await openCatalog({ type: 'memory' }, { clock: { now: () => now, sleep: async () => undefined } })
  folder = tempDir('outbox')
  writeFileSync(join(folder, 'x'), 'x')
})

async function upload(stowage: Stowage, name: string) {
  const handle = await stowage.as(ada).datasets.create({ name })
  await handle.upload(folder)
  return handle
}

const statusOf = async (id: string) =>
  Object.fromEntries((await catalog.datasets.listReplicas(id)).map((r) => [r.sourceId, r.status]))

const down = () => Promise.reject(new StowageError('unavailable', 'down'))

describe('the outbox', () => {
  it('keeps what could not be done, tells it, and a later run does it', async () => {
    const stowage = await open()
    const { put } = b
    b.put = down
    const cats = await upload(stowage, 'cats')
    expect(await stowage.runPolicies()).toMatchObject([
      { policyId: 'inward', to: 'b', status: 'failed', error: { code: 'unavailable' } },
    ])
    expect(alerts.map(({ severity }) => severity)).toEqual(['warning', 'warning', 'warning', 'critical'])
    expect(await statusOf(cats.id)).toEqual({ a: 'ready', b: 'error' })
    b.put = put
    expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
    expect(await statusOf(cats.id)).toEqual({ a: 'ready', b: 'ready' })
    expect(await stowage.runPolicies()).toEqual([])
  })

  it('one that fails holds up no other', async () => {
    const stowage = await open()
    const cats = await upload(stowage, 'cats')
    const dogs = await upload(stowage, 'dogs')
    const { put, head, get } = a
    Object.assign(a, {
      put: (key: string, ...rest: unknown[]) =>
        key.includes(cats.id) ? down() : Reflect.apply(put, a, [key, ...rest]),
      get: (key: string, ...rest: unknown[]) =>
        key.includes(cats.id) ? down() : Reflect.apply(get, a, [key, ...rest]),
    })
    await stowage.runPolicies()
    expect(await statusOf(dogs.id)).toEqual({ a: 'ready', b: 'ready' })
    Object.assign(a, { put, head, get })
    await stowage.runPolicies()
    expect(await statusOf(cats.id)).toEqual({ a: 'ready', b: 'ready' })
  })

  it('waits for a source that is disabled', async () => {
    const stowage = await open({ b: false })
    const cats = await upload(stowage, 'cats')
    expect(await stowage.runPolicies()).toMatchObject([{ status: 'failed', error: { code: 'unavailable' } }])
    for await (const page of b.list()) expect(page.objects).toEqual([])
    await (await open()).runPolicies()
    expect(await statusOf(cats.id)).toEqual({ a: 'ready', b: 'ready' })
  })

  it('is given back when the run is stopped, so that the next one need not wait', async () => {
    const stowage = await open()
    const cats = await upload(stowage, 'cats')
    const stop = new AbortController()
    const { put } = b
    b.put = (...args) => {
      stop.abort()
      return put.apply(b, args)
    }
    await stowage.runPolicies({ signal: stop.signal })
    expect((await statusOf(cats.id)).b).not.toBe('ready')
    expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
  })

  it('is taken over from a process that died, after its hold', async () => {
    const stowage = await open()
    const cats = await upload(stowage, 'cats')
    expect(await catalog.datasets.takeOutbox(1, 60_000)).toHaveLength(1)
    expect(await stowage.runPolicies()).toEqual([])
    now += 60_001
    expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
    expect(await statusOf(cats.id)).toEqual({ a: 'ready', b: 'ready' })
  })

  it('is handled once by two at the same time', async () => {
    const [one, two] = [await open(), await open()]
    for (const name of ['cats', 'dogs', 'cows']) await upload(one, name)
    const done = (await Promise.all([one.runPolicies(), two.runPolicies(), one.runPolicies()])).flat()
    expect(done.map(({ status }) => status)).toEqual(['success', 'success', 'success'])
  })
})

describe('a source that is gone from the configuration', () => {
  it('reads fall over to the others, show works, and uploads and policies go on', async () => {
    const before = await open()
    const cats = await upload(before, 'cats')
    await before.runPolicies()
    const after = await open({ without: 'a' })
    const { datasets } = after.as({ userId: 'ada' })
    const handle = await datasets.get('cats')
    expect((await handle.show()).replicas.map((r) => r.sourceId)).toEqual(['a', 'b'])
    const file = await datasets.open(cats.id, 'x')
    for await (const chunk of file.stream) expect(chunk.toString()).toBe('x')
    expect((await handle.upload(folder)).version.number).toBe(2)
    expect(await after.runPolicies()).toEqual([])
    const without = await open({ without: 'b' })
    await expect(without.as({ userId: 'ada' }).datasets.open(cats.id, 'x', { version: 2 })).rejects.toMatchObject({
      code: 'no-source',
    })
  })

  it('a publication whose primary is gone waits without harm to others', async () => {
    const before = await open()
    const cats = await upload(before, 'cats')
    const after = await open({ without: 'a' })
    expect(await after.runPolicies()).toMatchObject([{ status: 'failed', error: { code: 'no-source' } }])
    expect(await (await open()).runPolicies()).toMatchObject([{ status: 'success' }])
    expect(await statusOf(cats.id)).toEqual({ a: 'ready', b: 'ready' })
  })
})

describe('publishing', () => {
  it('stands when only the record beside the data could not be written, which follows', async () => {
    const stowage = await open()
    const { put } = a
    a.put = (key, ...rest) => (key.includes('/versions/') ? down() : put.call(a, key, ...rest))
    const cats = await upload(stowage, 'cats')
    expect((await cats.show()).version).toBe(1)
    expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
    a.put = put
    await stowage.runPolicies()
    expect((await a.head(`datasets/${cats.id}/.stowage/versions/000000001.json`)).size).toBeGreaterThan(0)
    expect(await catalog.datasets.takeOutbox(1, 1)).toEqual([])
  })

  it('gives each version one number when several upload at once', async () => {
    const [one, two] = [await open(), await open()]
    const cats = await upload(one, 'cats')
    const uploads = [one, two, one, two].map(async (stowage) =>
      (await stowage.as(ada).datasets.get('cats')).upload(folder),
    )
    const settled = await Promise.allSettled(uploads)
    const numbers = settled.flatMap((s) => (s.status === 'fulfilled' ? [s.value.version.number] : []))
    expect(new Set(numbers).size).toBe(numbers.length)
    for (const s of settled) if (s.status === 'rejected') expect(s.reason.code).toBe('conflict')
    expect((await cats.versions()).map((v) => v.number)).toEqual([...numbers, 1].sort((x, y) => y - x))
  })

  it('refuses names with control characters, and a draft that is stale before a byte is sent', async () => {
    const stowage = await open()
    const { datasets } = stowage.as(ada)
    for (const name of ['a\u001b[2J', 'a\nb', '\u0000', '', ' ', 'x'.repeat(201), '\ud800', 'a\u0085'])
      await expect(datasets.create({ name }), JSON.stringify(name)).rejects.toMatchObject({ code: 'invalid-request' })
    const cats = await datasets.create({ name: '\u732b '.repeat(60) })
    const { draft } = await cats.draft()
    const other = await datasets.create({ name: 'other' })
    await expect(other.upload(folder, { draft: draft.id })).rejects.toMatchObject({ code: 'not-found' })
    await cats.upload(folder)
    await expect(cats.upload(folder, { draft: draft.id })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('a stream is put again after its process died between the store and the catalog', async () => {
    const stowage = await open()
    const cats = await stowage.as(ada).datasets.create({ name: 'cats' })
    const { draft } = await cats.draft()
    await a.put(`datasets/${cats.id}/${draft.id}/f`, Buffer.from('same'))
    expect((await draft.put('f', Buffer.from('same'))).size).toBe(4)
    await expect(draft.put('f', Buffer.from('else'))).rejects.toMatchObject({ code: 'conflict' })
    expect((await cats.publish(draft)).fileCount).toBe(1)
  })
})

describe('several processes', () => {
  it('upload and replicate at once: one number each, and every replica ready in the end', async () => {
    const cwd = tempDir('processes')
    for (const name of ['a', 'b', 'folder']) mkdirSync(join(cwd, name))
    for (let i = 0; i < 30; i++) writeFileSync(join(cwd, 'folder', `f${i}`), `${i}`)
    writeFileSync(
      join(cwd, 'stowage.config.json'),
      JSON.stringify({
        sources: [
          { id: 'a', type: 'filesystem', root: './a', isPublic: true },
          { id: 'b', type: 'filesystem', root: './b' },
        ],
        policies: [{ id: 'inward', on: 'publish', from: 'a', to: 'b' }],
      }),
    )
    const cli = (...args: string[]) => startCli([...args, '--json'], { cwd }).done
    for (const name of ['x', 'y', 'z']) {
      const { code, stderr } = await runIn(cwd, ['dataset', 'create', name, '--json'])
      expect(code, stderr).toBe(0)
    }
    const put = (name: string, user: string) =>
      cli('dataset', 'put', name, 'folder', '--user-type', 'external', '--user', user)
    const runs = await Promise.all([put('x', 'u1'), put('x', 'u2'), put('y', 'u1'), put('z', 'u3')])
    for (const { code, stdout, stderr } of runs) {
      expect([0, 1], stderr).toContain(code)
      if (code === 1) expect(JSON.parse(stdout).error).toMatchObject({ code: 'conflict' })
    }
    expect(runs.filter(({ code }) => code === 0).length).toBeGreaterThanOrEqual(3)
    const last = await put('z', 'u4')
    expect(last.code, last.stderr).toBe(0)
    for (const name of ['x', 'y', 'z']) {
      const { replicas, versions } = (await runIn(cwd, ['dataset', 'show', name, '--json'])).json
      expect(replicas.length).toBe(2 * versions.length)
      for (const replica of replicas) expect(replica.status).toBe('ready')
    }
  })
})
