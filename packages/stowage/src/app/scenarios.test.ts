import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesystem } from '@stowage/adapters/filesystem'
import { memory } from '@stowage/adapters/memory'
import { BLOCK_SIZE, digestOf, type StorageAdapter, StowageError } from '@stowage/core'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { createStowage, type StowageOptions } from './create.ts'
import type { Stowage } from './stowage.ts'

const external = { userId: 'ada', userType: 'external' } as const
const internal = { userId: 'bob', userType: 'internal' } as const
const node = { workspaceId: 'w7', region: 'cn-sz' }

const config = {
  sources: [
    { id: 'public', type: 'memory', isPublic: true, region: 'cn-hz' },
    { id: 'inside', type: 'memory', region: 'cn-sz' },
  ],
  routing: { regions: { distances: { 'cn-hz': { 'cn-sz': 30 } } } },
  policies: [
    { id: 'inward', on: 'publish', from: 'public', to: 'inside' },
    { id: 'backup', on: 'publish', from: 'inside', to: 'public', tags: ['keep'] },
  ],
} as const

interface World {
  stowage: Stowage
  publicSide: StorageAdapter
  inside: StorageAdapter
  folder: string
  large: Buffer
}

async function world(options: StowageOptions & { inside?: StorageAdapter } = {}): Promise<World> {
  const publicSide = memory({ id: 'public' })
  const inside = options.inside ?? memory({ id: 'inside' })
  const folder = tempDir('data')
  mkdirSync(join(folder, 'train'))
  for (let i = 0; i < 20; i++) writeFileSync(join(folder, 'train', `${i}.jpg`), Buffer.alloc(100 + i, i))
  const large = Buffer.alloc(BLOCK_SIZE * 2 + 99)
  for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2654435761) >>> 0, Math.min(i, large.length - 4))
  writeFileSync(join(folder, 'model.bin'), large)
  const { inside: _, ...rest } = options
  const stowage = await createStowage(structuredClone(config) as never, {
    background: false,
    ...rest,
    adapters: { public: publicSide, inside },
  })
  return { stowage, publicSide, inside, folder, large }
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function keysOf(adapter: StorageAdapter, prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const page of adapter.list({ prefix })) keys.push(...page.objects.map((object) => object.key))
  return keys
}

describe('the three scenarios', () => {
  it('an external upload lands on the public source, is synced inside, and is read from there', async () => {
    const { stowage, publicSide, inside, folder, large } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    const { version, sourceId, draftId } = await cats.upload(folder)
    expect({ sourceId, number: version.number, files: version.fileCount }).toEqual({
      sourceId: 'public',
      number: 1,
      files: 21,
    })
    expect(await keysOf(inside)).toEqual([])
    expect(await keysOf(publicSide, `datasets/${cats.id}/${draftId}/`)).toHaveLength(21)

    const before = await stowage.as(node).datasets.open(cats.id, 'model.bin')
    expect(before.decision.candidates.map((c) => c.sourceId)).toEqual(['public'])
    expect((await bytesOf(before.stream)).equals(large)).toBe(true)

    const [task] = await stowage.runPolicies()
    expect(task).toMatchObject({
      status: 'success',
      policyId: 'inward',
      from: 'public',
      to: 'inside',
      objects: { copied: 21, failed: 0 },
    })
    expect(await stowage.runPolicies()).toEqual([])
    const after = await stowage.as(node).datasets.open(cats.id, 'model.bin')
    expect(after.decision.candidates.map((c) => c.sourceId)).toEqual(['inside', 'public'])
    expect((await bytesOf(after.stream)).equals(large)).toBe(true)
    expect(after.digest).toBe(digestOf(large).digest)
    const view = await cats.show()
    expect(view.status).toBe('ready')
    expect(view.replicas.map((r) => [r.sourceId, r.status, r.isPrimary])).toEqual([
      ['public', 'ready', true],
      ['inside', 'ready', false],
    ])
    const [a, b] = [await keysOf(publicSide), await keysOf(inside)]
    expect(b).toEqual(a)
    await stowage.close()
  })

  it('an internal upload goes straight inside, and a policy backs it up only when its tags say so', async () => {
    const { stowage, folder } = await world()
    const { datasets } = stowage.as(internal)
    const plain = await datasets.create({ name: 'plain' })
    expect((await plain.upload(folder)).sourceId).toBe('inside')
    expect(await stowage.runPolicies()).toEqual([])
    const kept = await datasets.create({ name: 'kept', tags: ['keep'] })
    expect((await kept.upload(folder)).sourceId).toBe('inside')
    expect(await stowage.runPolicies()).toMatchObject([{ policyId: 'backup', to: 'public', status: 'success' }])
    await stowage.close()
  })

  it('policies run in the background by default, and idle waits for them', async () => {
    const { stowage, folder } = await world({ background: true })
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    await cats.upload(folder)
    await stowage.idle()
    expect((await cats.show()).replicas.map((r) => r.status)).toEqual(['ready', 'ready'])
    await stowage.close()
  })

  it('a node gets the nearest ready copy, by its region', async () => {
    const { stowage, folder } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    await cats.upload(folder)
    await stowage.runPolicies()
    for (const [region, first] of [
      ['cn-sz', 'inside'],
      ['cn-hz', 'public'],
    ] as const) {
      const file = await stowage.as({ workspaceId: 'w7', region }).datasets.open(cats.id, 'train/3.jpg')
      expect(file.decision.candidates[0]?.sourceId).toBe(first)
      expect((await bytesOf(file.stream)).equals(Buffer.alloc(103, 3))).toBe(true)
    }
    await stowage.close()
  })
})

describe('failover', () => {
  it('finishes a read whose folder goes away in the middle', async () => {
    const root = tempDir('inside')
    const { stowage, folder, large } = await world({ inside: filesystem({ id: 'inside', root }) })
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    await cats.upload(folder)
    await stowage.runPolicies()
    const file = await stowage.as(node).datasets.open(cats.id, 'model.bin')
    const chunks: Uint8Array[] = []
    for await (const chunk of file.stream) {
      if (chunks.length === 0) {
        const [key] = (await keysOf(filesystem({ id: 'x', root }))).filter((k) => k.endsWith('model.bin'))
        writeFileSync(join(root, key as string), 'gone')
        renameSync(root, `${root}.gone`)
      }
      chunks.push(chunk)
    }
    rmSync(`${root}.gone`, { recursive: true })
    expect(Buffer.concat(chunks).equals(large)).toBe(true)
    expect(file.failovers).toMatchObject([{ from: 'inside', to: 'public' }])
    await stowage.close()
  })

  it('reads from the public source when the inside one refuses from the start, and tells of it', async () => {
    const inside = memory({ id: 'inside' })
    const get = inside.get.bind(inside)
    let dead = false
    inside.get = (...args) =>
      dead ? Promise.reject(new StowageError('unavailable', 'connect ECONNREFUSED')) : get(...args)
    const { stowage, folder } = await world({ inside })
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    await cats.upload(folder)
    await stowage.runPolicies()
    dead = true
    const seen: string[] = []
    stowage.events.on('read.failover', (f) => seen.push(`${f.path}:${f.from}>${f.to}@${f.offset}`))
    const file = await stowage.as(node).datasets.open(cats.id, 'train/3.jpg')
    expect((await bytesOf(file.stream)).length).toBe(103)
    expect(seen).toEqual(['train/3.jpg:inside>public@0'])
    // A source that fails is asked after the others, and a probe that fails twice leaves it out altogether.
    for (let i = 0; i < 5; i++) await bytesOf((await stowage.as(node).datasets.open(cats.id, 'train/4.jpg')).stream)
    const later = await stowage.as(node).datasets.open(cats.id, 'train/5.jpg')
    later.stream.destroy()
    expect(later.decision.candidates.map((c) => c.sourceId)).toEqual(['public', 'inside'])
    expect(seen.length).toBeLessThan(6)
    const gone = { ok: false, latencyMs: 1, checks: [], error: new StowageError('unavailable', 'connect ECONNREFUSED') }
    inside.probe = async () => gone
    for (let i = 0; i < 2; i++) await stowage.sources.probe('inside')
    const last = await stowage.as(node).datasets.open(cats.id, 'train/5.jpg')
    last.stream.destroy()
    expect(last.decision.dropped).toMatchObject([{ sourceId: 'inside', filter: 'healthy' }])
    expect(stowage.sources.get('inside').status).toBe('error')
    await stowage.close()
  })
})

describe('drafts and versions', () => {
  it('nothing of a failed upload is published, and the draft is gone on with', async () => {
    const { stowage, folder, publicSide } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    writeFileSync(join(folder, 'a'), 'file')
    mkdirSync(join(folder, 'bad'))
    writeFileSync(join(folder, 'bad', 'line\nbreak'), 'x')
    const failure = (await cats.upload(folder).catch((error) => error)) as StowageError
    expect(failure).toMatchObject({ code: 'invalid-key', key: 'bad/line\nbreak' })
    expect((await cats.show()).version).toBe(0)
    await expect(stowage.as(node).datasets.open(cats.id, 'a')).rejects.toMatchObject({ code: 'not-found' })
    rmSync(join(folder, 'bad'), { recursive: true })
    const draft = /draft (\w+);/.exec(failure.hint ?? '')?.[1] as string
    let puts = 0
    const { put } = publicSide
    publicSide.put = (key, ...rest) => {
      if (!key.includes('.stowage/')) puts++
      return put.call(publicSide, key, ...rest)
    }
    const { version } = await cats.upload(folder, { draft })
    expect(version).toMatchObject({ number: 1, fileCount: 22 })
    expect(puts).toBe(0)
    await stowage.close()
  })

  it('a second version adds to the first, keeps its files where they are, and replaces when asked', async () => {
    const { stowage, folder, publicSide } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    const one = await cats.upload(folder)
    const more = tempDir('more')
    writeFileSync(join(more, 'extra.txt'), 'two')
    mkdirSync(join(more, 'train'))
    writeFileSync(join(more, 'train', '3.jpg'), 'changed')
    const two = await cats.upload(more, { message: 'more' })
    expect(two.version).toMatchObject({ number: 2, parents: [1], fileCount: 22, message: 'more' })
    const read = async (path: string, version?: number) =>
      (
        await bytesOf(
          (
            await stowage.as(node).datasets.open(cats.id, path, version === undefined ? {} : { version })
          ).stream,
        )
      ).toString()
    expect(await read('train/3.jpg')).toBe('changed')
    expect(await read('train/3.jpg', 1)).toBe(Buffer.alloc(103, 3).toString())
    expect(await read('extra.txt')).toBe('two')
    expect(await keysOf(publicSide, `datasets/${cats.id}/${two.draftId}/`)).toHaveLength(2)
    const [, ...syncs] = await stowage.runPolicies()
    expect(syncs).toMatchObject([{ version: 2, status: 'success', objects: { copied: 2, skipped: 20 } }])
    const three = await cats.upload(more, { replace: true })
    expect(three.version).toMatchObject({ number: 3, fileCount: 2 })
    expect(one.version.number).toBe(1)
    await stowage.close()
  })

  it('of two drafts of one base the second to publish is refused', async () => {
    const { stowage } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    const [a, b] = [(await cats.draft()).draft, (await cats.draft()).draft]
    await a.put('x', Buffer.from('a'))
    await b.put('x', Buffer.from('b'))
    expect((await cats.publish(a)).number).toBe(1)
    await expect(cats.publish(b)).rejects.toMatchObject({ code: 'conflict' })
    await stowage.close()
  })

  it('streams of any length become files', async () => {
    const { stowage, large } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    const { draft } = await cats.draft()
    const lengths = [0, 1, BLOCK_SIZE, BLOCK_SIZE * 2, BLOCK_SIZE * 2 + 99]
    for (const length of lengths) {
      async function* stream() {
        for (let at = 0; at < length; at += 700_001) yield large.subarray(at, Math.min(length, at + 700_001))
      }
      const file = await draft.put(`f${length}`, stream())
      expect(file.digest).toBe(digestOf(large.subarray(0, length)).digest)
    }
    await cats.publish(draft)
    for (const length of lengths) {
      const file = await stowage.as(node).datasets.open(cats.id, `f${length}`)
      expect((await bytesOf(file.stream)).equals(large.subarray(0, length)), String(length)).toBe(true)
    }
    await stowage.close()
  })

  it('downloads a version, whole or not at all by file', async () => {
    const { stowage, folder } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    await cats.upload(folder)
    const to = tempDir('download')
    expect(await stowage.as(node).datasets.download(cats.id, to)).toMatchObject({ files: 21, failovers: 0 })
    expect(readFileSync(join(to, 'model.bin')).equals(readFileSync(join(folder, 'model.bin')))).toBe(true)
    await stowage.close()
  })

  it('refuses a root that another catalog owns', async () => {
    const { stowage, folder, inside, publicSide } = await world()
    const cats = await stowage.as(external).datasets.create({ name: 'cats' })
    await cats.upload(folder)
    await inside.put(
      `datasets/${cats.id}/.stowage/root.json`,
      Buffer.from(JSON.stringify({ format: 1, catalogId: 'other', datasetId: cats.id })),
    )
    const alerts: string[] = []
    stowage.events.on('alert', (alert) => alerts.push(alert.code))
    await stowage.runPolicies()
    expect(alerts).toEqual(['unsafe'])
    expect((await cats.show()).replicas.find((r) => r.sourceId === 'inside')).toMatchObject({ status: 'error' })
    expect((await keysOf(inside)).length).toBe(1)
    expect((await keysOf(publicSide)).length).toBeGreaterThan(20)
    await stowage.close()
  })
})
