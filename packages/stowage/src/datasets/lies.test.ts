import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { type Alert, BLOCK_SIZE, type StorageAdapter, StowageError, writeManifest } from '@stowage/core'
import { runs, tempDir, until } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { DatasetHandle } from './dataset-handle.ts'

const ada = { userId: 'ada', userType: 'external' } as const
const node = { workspaceId: 'w', region: 'r2' }

let a: StorageAdapter
let b: StorageAdapter
let c: StorageAdapter
let catalog: Catalog
let stowage: Stowage
let cats: DatasetHandle
let alerts: Alert[]
const large = Buffer.alloc(2 * BLOCK_SIZE + 5)
for (let i = 0; i < large.length; i++) large[i] = (i * 31 + (i >> 12)) & 255

async function open(): Promise<Stowage> {
  const opened = await createStowage(
    {
      sources: [
        { id: 'a', type: 'memory', isPublic: true, region: 'r1' },
        { id: 'b', type: 'memory', region: 'r2' },
        { id: 'c', type: 'memory', region: 'r1' },
      ],
      policies: [{ id: 'inward', on: 'publish', from: 'a', to: 'b' }],
    },
    { background: false, adapters: { a, b, c }, catalog },
  )
  alerts = []
  opened.events.on('alert', (alert) => alerts.push(alert))
  return opened
}

beforeEach(async () => {
  ;[a, b, c] = [memory({ id: 'a' }), memory({ id: 'b' }), memory({ id: 'c' })]
  catalog = await openCatalog({ type: 'memory' })
  stowage = await open()
  const folder = tempDir('lies')
  writeFileSync(join(folder, 'large'), large)
  writeFileSync(join(folder, 'small'), 'small')
  writeFileSync(join(folder, 'twin'), 'lllms')
  cats = await stowage.as(ada).datasets.create({ name: 'cats' })
  await cats.upload(folder)
  expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
})

async function keyOf(adapter: StorageAdapter, part: string): Promise<string> {
  for await (const page of adapter.list()) for (const { key } of page.objects) if (key.includes(part)) return key
  throw new Error(`no ${part}`)
}

async function read(path: string, range?: { start: number; length?: number }): Promise<Buffer> {
  const file = await stowage.as(node).datasets.open(cats.id, path, range === undefined ? {} : { range })
  const chunks: Uint8Array[] = []
  for await (const chunk of file.stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

type Damage = (adapter: StorageAdapter, key: string) => Promise<unknown>
const damages: [string, Damage][] = [
  ['missing', (adapter, key) => adapter.delete(key)],
  ['truncated', async (adapter, key) => adapter.put(key, (await bytes(adapter, key)).subarray(1))],
  [
    'flipped',
    async (adapter, key) =>
      adapter.put(
        key,
        Buffer.from(await bytes(adapter, key)).map((x, i, { length }) => (i === length >> 1 ? x ^ 1 : x)),
      ),
  ],
  ['empty', (adapter, key) => adapter.put(key, Buffer.alloc(0))],
  ['swapped', async (adapter, key) => adapter.put(key, await bytes(adapter, await keyOf(adapter, 'twin')))],
]

async function bytes(adapter: StorageAdapter, key: string): Promise<Buffer> {
  const { body } = await adapter.get(key)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const parts: [string, string][] = [
  ['a file', '/small'],
  ['a large file', '/large'],
  ['the block digests', '/blocks/'],
  ['a manifest range', '/ranges/'],
  ['the top of the manifest', '/manifests/'],
]
/** Every damage of every part at full size; two of each part otherwise. */
const cases = parts.flatMap(([what, part], i) =>
  Array.from(
    { length: runs(2, damages.length) },
    (_, k) => damages[(2 * i + k) % damages.length] as (typeof damages)[number],
  ).map(([how, damage]) => [what, how, part, damage] as const),
)

describe.each(cases)('%s, %s on the nearest replica', (_what, _how, part, damage) => {
  it('is read from the other one, and the bad one is named', async () => {
    await damage(b, await keyOf(b, part))
    // A process that has nothing in memory.
    stowage = await open()
    const failovers: string[] = []
    stowage.events.on('read.failover', ({ from }) => failovers.push(from))
    expect((await read('large')).equals(large)).toBe(true)
    expect((await read('small')).toString()).toBe('small')
    expect(
      (await read('large', { start: BLOCK_SIZE - 1, length: 2 })).equals(
        large.subarray(BLOCK_SIZE - 1, BLOCK_SIZE + 1),
      ),
    ).toBe(true)
    const to = tempDir('to')
    await stowage.as(node).datasets.download(cats.id, to)
    expect(readFileSync(join(to, 'large')).equals(large)).toBe(true)
    const named = [...failovers, ...alerts.map((alert) => alert.sourceId)]
    expect(new Set(named)).toEqual(new Set(['b']))
    // The scrub looks at it before anything else.
    await expect.poll(() => catalog.sync.list('scrub/suspect/')).toHaveLength(1)
  })

  it('is not copied on: the new replica is whole, from the other one', async () => {
    await damage(b, await keyOf(b, part))
    stowage = await open()
    // So that `b` is the first to be copied from.
    for (let i = 0; i < 3; i++) stowage.sources.report('a', { ok: false, code: 'timeout' })
    const result = await stowage.replicate(cats.id, 1, 'c')
    expect(result.status).toBe('success')
    for (const other of ['/small', '/large', '/blocks/', '/ranges/', '/manifests/'])
      expect((await bytes(c, await keyOf(c, other))).equals(await bytes(a, await keyOf(a, other))), other).toBe(true)
  })

  it('when no other replica is there, nobody gets wrong bytes, and it says who is bad', async () => {
    await damage(a, await keyOf(a, part))
    await damage(b, await keyOf(b, part))
    stowage = await open()
    for (const path of ['large', 'small']) {
      const expected = path === 'large' ? large : Buffer.from('small')
      const got = await read(path).catch((error) => error)
      if (Buffer.isBuffer(got)) expect(got.equals(expected)).toBe(true)
      else {
        expect(['integrity', 'not-found']).toContain(got.code)
        expect(got.message).toMatch(/a:.*b:|b:.*a:/s)
      }
    }
    const copied = await stowage.replicate(cats.id, 1, 'c').catch((error) => error)
    const replicas = (await cats.show()).replicas
    if (copied.status !== 'success') expect(replicas.find((r) => r.sourceId === 'c')?.status).not.toBe('ready')
  })
})

describe('a target that had something before', () => {
  it.each(parts.slice(2))('%s, damaged there, are replaced before the replica is ready', async (_, part) => {
    const key = await keyOf(a, part)
    await c.put(key, Buffer.from('rubbish'))
    expect((await stowage.replicate(cats.id, 1, 'c')).status).toBe('success')
    expect((await bytes(c, key)).equals(await bytes(a, key))).toBe(true)
  })

  it('a file with other bytes is a conflict, and the replica an error', async () => {
    const key = await keyOf(a, '/small')
    await c.put(key, Buffer.from('other'))
    expect(await stowage.replicate(cats.id, 1, 'c')).toMatchObject({ status: 'failed', error: { code: 'conflict' } })
    expect((await cats.show()).replicas.find((r) => r.sourceId === 'c')).toMatchObject({ status: 'error' })
  })
})

describe('a replica that is ready', () => {
  it('stays ready when it cannot be copied to again', async () => {
    const { put, get, head, list } = b
    const dead = () => Promise.reject(new StowageError('unavailable', 'down'))
    Object.assign(b, {
      put: dead,
      get: dead,
      head: dead,
      // biome-ignore lint/correctness/useYield: a listing that fails at once
      list: async function* () {
        throw new StowageError('unavailable', 'down', { retryable: false })
      },
    })
    await expect(stowage.replicate(cats.id, 1, 'b')).rejects.toMatchObject({ code: 'unavailable' })
    Object.assign(b, { put, get, head, list })
    expect((await cats.show()).replicas.find((r) => r.sourceId === 'b')).toMatchObject({ status: 'ready' })
  })

  it('is not written to again elsewhere when the root of new datasets was changed', async () => {
    const moved = await createStowage(
      { sources: [{ id: 'a', type: 'memory', isPublic: true, datasetRoot: 'elsewhere' }] },
      { background: false, adapters: { a }, catalog },
    )
    const handle = await moved.as(ada).datasets.get('cats')
    const folder = tempDir('more')
    writeFileSync(join(folder, 'more'), 'more')
    const { version } = await handle.upload(folder)
    expect(version).toMatchObject({ number: 2, fileCount: 4 })
    stowage = moved
    expect((await read('small')).toString()).toBe('small')
    expect((await read('more')).toString()).toBe('more')
  })
})

describe('streams', () => {
  it('give every range, also at the edges', async () => {
    const B = BLOCK_SIZE
    for (const [start, length] of [
      [0, 0],
      [0, 1],
      [0, B],
      [B - 1, 1],
      [B - 1, 2],
      [B, 0],
      [B, B],
      [2 * B - 1, 6],
      [2 * B, 5],
      [large.length, 0],
      [large.length - 1, 9],
      [3, undefined],
    ] as [number, number | undefined][]) {
      const range = { start, ...(length === undefined ? {} : { length }) }
      const end = length === undefined ? large.length : start + length
      expect((await read('large', range)).equals(large.subarray(start, end)), `${start}+${length}`).toBe(true)
    }
    for (const range of [
      { start: -1 },
      { start: large.length + 1 },
      { start: 0.5 },
      { start: 0, length: -1 },
      { start: Number.NaN },
    ])
      await expect(read('large', range)).rejects.toMatchObject({ code: 'invalid-request' })
  })

  it('destroyed half way, or while a store hangs, lets go of what is open', async () => {
    let opened = 0
    let closed = 0
    let hang = false
    const { get } = b
    b.get = async (key, options) => {
      if (hang) {
        await new Promise((_, reject) => {
          opened++
          options?.signal?.addEventListener('abort', () => {
            closed++
            reject(new StowageError('aborted', 'aborted'))
          })
        })
      }
      const result = await get.call(b, key, options)
      opened++
      result.body.once('close', () => closed++)
      return result
    }
    const { datasets } = stowage.as(node)
    const file = await datasets.open(cats.id, 'large')
    for await (const _ of file.stream) break
    expect(file.stream.destroyed).toBe(true)
    hang = true
    const hanging = await datasets.open(cats.id, 'small')
    hanging.stream.on('error', () => undefined)
    hanging.stream.resume()
    await until('the third is opened', () => opened >= 3, { everyMs: 1, seen: () => opened })
    const gone = new Promise((resolve) => hanging.stream.once('close', resolve))
    hanging.stream.destroy()
    await gone
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(closed).toBe(opened)
  })

  it('never started, leave nothing open', async () => {
    const file = await stowage.as(node).datasets.open(cats.id, 'small')
    const gone = new Promise((resolve) => file.stream.once('close', resolve))
    file.stream.destroy()
    await gone
  })

  it('end with aborted when the signal fires, in the middle and before the beginning', async () => {
    const stop = new AbortController()
    const file = await stowage.as(node).datasets.open(cats.id, 'large', { signal: stop.signal })
    const reading = (async () => {
      for await (const _ of file.stream) stop.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'aborted' })
    const { datasets } = stowage.as(node)
    const { signal } = stop
    await expect(datasets.open(cats.id, 'large', { signal })).rejects.toMatchObject({ code: 'aborted' })
    await expect(datasets.access(cats.id, { mode: 'url', path: 'small', signal })).rejects.toMatchObject({
      code: 'aborted',
    })
    await expect(datasets.download(cats.id, tempDir('x'), { signal })).rejects.toMatchObject({ code: 'aborted' })
    await expect(cats.upload(tempDir('y'), { signal })).rejects.toMatchObject({ code: 'aborted' })
    await expect(stowage.replicate(cats.id, 1, 'c', { signal })).rejects.toMatchObject({ code: 'aborted' })
  })

  it('are waited for no longer when a store hangs while the manifest is fetched', async () => {
    b.get = a.get = () => new Promise(() => undefined)
    stowage = await open()
    const stop = new AbortController()
    const opening = stowage.as(node).datasets.open(cats.id, 'small', { signal: stop.signal })
    setImmediate(() => stop.abort())
    await expect(opening).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('a forged manifest', () => {
  it.each(['../out', 'a/../../out', '/abs', 'a\0b', '.', 'a//b', ''])('%j leads nowhere', async (path) => {
    const id = 'forged'
    await catalog.datasets.createDataset({ id, name: id, userId: 'ada' })
    const draft = {
      id: `d${Date.now()}`,
      datasetId: id,
      sourceId: 'a',
      path: `x/${id}/`,
      baseVersion: 0,
      author: 'ada',
    }
    await catalog.datasets.createDraft(draft)
    const entry = {
      path,
      key: 'd/evil',
      size: 0,
      digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    }
    const manifest = await writeManifest([entry], async (key, body) => {
      await a.put(`x/${id}/${key}`, body)
    })
    await a.put(`x/${id}/d/evil`, Buffer.alloc(0))
    await catalog.datasets.publish({ draftId: draft.id, manifest: manifest.digest, size: 0, fileCount: 1, message: '' })
    const parent = tempDir('forged')
    const to = join(parent, 'to')
    mkdirSync(to)
    await expect(stowage.as(ada).datasets.download(id, to)).rejects.toMatchObject({ code: 'invalid-key' })
    expect(readdirSync(parent)).toEqual(['to'])
    expect(readdirSync(to)).toEqual([])
  })

  it('does not write through a link that leads out of the folder', async () => {
    const [to, out] = [tempDir('to'), tempDir('out')]
    symlinkSync(join(out, 'large'), join(to, 'large'))
    symlinkSync(join(out, 'small'), join(to, 'small'))
    await stowage.as(node).datasets.download(cats.id, to)
    expect(readdirSync(out)).toEqual([])
    expect(readFileSync(join(to, 'small'), 'utf8')).toBe('small')
  })
})

describe('download', () => {
  it('fetches nothing that is there already, mends what is not right, and leaves no other file', async () => {
    const to = join(tempDir('to'), 'deep', 'er')
    const { datasets } = stowage.as(node)
    const rates: number[] = []
    const first = await datasets.download(cats.id, to, { onProgress: ({ rate }) => rates.push(rate) })
    expect(first).toMatchObject({ files: 3, present: 0, bytes: large.length + 10 })
    expect(rates.length).toBeGreaterThan(1)
    writeFileSync(join(to, 'small'), 'wrong')
    expect(await datasets.download(cats.id, to)).toMatchObject({ files: 3, present: 2, bytes: large.length + 10 })
    expect(readFileSync(join(to, 'small'), 'utf8')).toBe('small')
    expect(readdirSync(to).sort()).toEqual(['large', 'small', 'twin'])
    expect(existsSync(join(to, '.stowage-fs'))).toBe(false)
  })

  it('ends with the first failure when the manifest cannot be read on, and nothing runs on', async () => {
    stowage = await open()
    const { datasets } = stowage.as(node)
    b.get = a.get = (key) => Promise.reject(new StowageError('access-denied', `no ${key}`))
    await expect(datasets.download(cats.id, tempDir('to'))).rejects.toMatchObject({ code: 'access-denied' })
  })
})
