import { BLOCK_SIZE, MARKER_KEY, type StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { runs } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { ada, bytesAt, bytesOfBlocks, keyWith, rot, type ScrubWorld, scrubWorld } from './testing.ts'

const large = bytesOfBlocks(3)

async function damaged(ids?: string[]): Promise<{ w: ScrubWorld; id: string; a: StorageAdapter; b: StorageAdapter }> {
  const w = await scrubWorld(ids)
  const id = await w.publish({ large, 'sub/small': 'small', empty: '' })
  const { a, b } = w.stores
  if (a === undefined || b === undefined) throw new Error('no store')
  return { w, id, a, b }
}

async function read(w: ScrubWorld, id: string, path: string, sources?: string[]): Promise<Buffer> {
  const stowage = await w.open(sources === undefined ? {} : { sources })
  const file = await stowage.as(ada).datasets.open(id, path)
  const chunks: Uint8Array[] = []
  for await (const chunk of file.stream) chunks.push(chunk)
  await stowage.close()
  return Buffer.concat(chunks)
}

const damages: [string, string, (store: StorageAdapter) => Promise<unknown>, object][] = [
  ['a flipped byte', 'sub/small', (b) => rot(b, 'sub/small', 2), { kind: 'digest', blocks: [] }],
  [
    'two bad blocks',
    'large',
    (b) => rot(b, '/large', 5).then(() => rot(b, '/large', 2 * BLOCK_SIZE)),
    { blocks: [0, 2] },
  ],
  ['a missing file', 'sub/small', async (b) => b.delete(await keyWith(b, 'sub/small')), { kind: 'missing' }],
  ['a truncated file', 'large', (b) => cut(b, '/large'), { kind: 'size' }],
  [
    'an empty file that is not',
    'empty',
    async (b) => b.put(await keyWith(b, '/empty'), Buffer.from('x')),
    { kind: 'size' },
  ],
  ['bad block digests', 'block digests', (b) => rot(b, '/blocks/', 3), { kind: 'digest' }],
  ['a bad range', 'manifest', (b) => rot(b, '/ranges/', 20), { kind: 'digest' }],
  ['a missing top', 'manifest', async (b) => b.delete(await keyWith(b, '/manifests/')), { kind: 'missing' }],
  ['a bad record', 'record', (b) => rot(b, '/versions/', 30), {}],
  ['a bad marker', 'marker', (b) => rot(b, MARKER_KEY, 0), { kind: 'digest' }],
  ['a missing marker', 'marker', async (b) => b.delete(await keyWith(b, MARKER_KEY)), { kind: 'missing' }],
]

async function cut(store: StorageAdapter, part: string): Promise<void> {
  const key = await keyWith(store, part)
  await store.put(key, (await bytesAt(store, key)).subarray(0, BLOCK_SIZE + 3))
}

describe.each(damages)('%s', (_what, name, damage, expected) => {
  it('is found, marked, mended and read back', async () => {
    const { w, id, a, b } = await damaged()
    const before = await contents(b)
    const untouched = await contents(a)
    await damage(b)
    const stowage = await w.open()
    const found = await stowage.verifyDataset(id)
    expect(found).toMatchObject({ clean: false, bad: 1, mended: 0, unread: 0 })
    expect(found.findings).toMatchObject([{ sourceId: 'b', mended: false, lost: false, ...expected }])
    expect(found.findings[0]?.name).toContain(name)
    expect(await w.catalog.datasets.listDamage()).toHaveLength(1)
    expect(w.alerts.length).toBeGreaterThan(0)
    for (const alert of w.alerts) expect(alert).toMatchObject({ sourceId: 'b', datasetId: id })
    const mended = await stowage.verifyDataset(id, { repair: true })
    expect(mended).toMatchObject({ clean: true, bad: 1, mended: 1 })
    expect(await w.catalog.datasets.listDamage()).toEqual([])
    expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true, bad: 0, findings: [] })
    await stowage.close()
    expect(await contents(b)).toEqual(before)
    expect(await contents(a)).toEqual(untouched)
    expect((await read(w, id, 'large', ['b'])).equals(large)).toBe(true)
  })
})

async function contents(store: StorageAdapter): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for await (const { objects } of store.list()) {
    for (const { key } of objects) all[key] = (await bytesAt(store, key)).toString('latin1').slice(0, 9_000_000)
  }
  return all
}

it('a file that is bad in other blocks on every replica is put together', async () => {
  const { w, id, a, b } = await damaged(['a', 'b', 'c'])
  const c = w.stores.c as StorageAdapter
  await rot(a, '/large', 1)
  await rot(b, '/large', BLOCK_SIZE + 1)
  await cut(c, '/large')
  const stowage = await w.open()
  expect(await stowage.verifyDataset(id, { repair: true })).toMatchObject({ clean: true, bad: 3, mended: 3 })
  for (const store of [a, b, c]) {
    expect((await bytesAt(store, await keyWith(store, '/large'))).equals(large)).toBe(true)
  }
})

it('what is bad everywhere is kept as it is, and told as lost', async () => {
  const { w, id, a, b } = await damaged()
  await rot(a, '/large', 1)
  await rot(b, '/large', 2)
  const before = [await bytesAt(a, await keyWith(a, '/large')), await bytesAt(b, await keyWith(b, '/large'))]
  const stowage = await w.open()
  const found = await stowage.verifyDataset(id, { repair: true })
  expect(found).toMatchObject({ clean: false, bad: 2, mended: 0 })
  expect(found.findings).toMatchObject([{ lost: true }, { lost: true }])
  expect(w.alerts.some(({ severity, message }) => severity === 'critical' && message.includes('"large"'))).toBe(true)
  expect((await bytesAt(a, await keyWith(a, '/large'))).equals(before[0] as Buffer)).toBe(true)
  expect((await bytesAt(b, await keyWith(b, '/large'))).equals(before[1] as Buffer)).toBe(true)
  // Neither can be given up now.
  for (const sourceId of ['a', 'b']) {
    await expectCode(w.catalog.datasets.markReplicaDeleting({ datasetId: id, version: 1, sourceId }), 'unsafe')
  }
})

it('a single replica is told as lost too, and nothing is written', async () => {
  const w = await scrubWorld(['a'])
  const id = await w.publish({ small: 'small' })
  await rot(w.stores.a as StorageAdapter, '/small')
  const stowage = await w.open()
  expect((await stowage.verifyDataset(id, { repair: true })).findings).toMatchObject([{ lost: true, mended: false }])
})

it('reads go elsewhere for what is marked, and URLs are not given for it', async () => {
  const { w, id, b } = await damaged()
  const stowage = await w.open()
  await stowage.verifyDataset(id)
  await rot(b, 'sub/small')
  await stowage.verifyDataset(id, { sourceId: 'b' })
  const reader = await w.open()
  const failovers: string[] = []
  reader.events.on('read.failover', ({ from }) => failovers.push(from))
  for (let i = 0; i < runs(3, 20); i++) {
    const file = await reader.as(ada).datasets.open(id, 'sub/small')
    for await (const _ of file.stream) {
      // Read to its end.
    }
  }
  expect(failovers).toEqual([])
  await rot(w.stores.a as StorageAdapter, 'sub/small')
  await stowage.verifyDataset(id, { sourceId: 'a' })
  await expectCode(reader.as(ada).datasets.access(id, { mode: 'url', path: 'sub/small' }), 'not-supported')
})

it('versions share files, and each is read once', async () => {
  const { w, id, b } = await damaged()
  await w.publish({ more: 'more', 'sub/small': 'other' })
  await w.publish({ last: 'last' })
  const read: string[] = []
  const get = b.get.bind(b)
  b.get = (key, options) => {
    read.push(key)
    return get(key, options)
  }
  const stowage = await w.open()
  const found = await stowage.verifyDataset(id, { sourceId: 'b' })
  expect(found).toMatchObject({ clean: true, versions: [1, 2, 3], files: 6 })
  const files = read.filter((key) => !key.includes('.stowage/'))
  expect(new Set(files).size).toBe(files.length)
  const only = await stowage.verifyDataset(id, { sourceId: 'b', version: 2 })
  expect(only).toMatchObject({ clean: true, versions: [2], files: 4 })
  await expectCode(stowage.verifyDataset(id, { version: 9 }), 'not-found')
})
