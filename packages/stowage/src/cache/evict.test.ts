import { expectCode } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { ada, type CacheWorld, cacheWorld, contentsOf, node, readFile } from './testing.ts'

const HOUR = 3_600_000
const text = (bytes: number, word = 'x'): string => word.repeat(bytes)

/** Datasets of 200 bytes, each on the origin and in the cache, where they were read in this order. */
async function filled(names: readonly string[], cache: Parameters<typeof cacheWorld>[0] = {}) {
  const w = await cacheWorld(cache)
  const ids: Record<string, string> = {}
  const stowage = await w.open()
  for (const name of names) {
    w.time.offset += HOUR
    const id = await w.publish(name, { data: text(200, name.slice(0, 1)) })
    await stowage.replicate(id, 1, 'near')
    ids[name] = id
  }
  for (const name of names) {
    w.time.offset += 10 * HOUR
    expect(await readFile(stowage, ids[name] as string, 'data')).toBe(text(200, name.slice(0, 1)))
  }
  w.time.offset += HOUR
  await stowage.close()
  return { w, ids, nameOf: (id: string) => Object.keys(ids).find((name) => ids[name] === id) }
}

async function inCache(w: CacheWorld, ids: Record<string, string>): Promise<string[]> {
  const found: string[] = []
  for (const [name, id] of Object.entries(ids)) {
    const replicas = await w.catalog.datasets.listReplicas(id)
    if (replicas.some(({ sourceId, status }) => sourceId === 'near' && status === 'ready')) found.push(name)
  }
  return found
}

describe('eviction', () => {
  it('takes what was read longest ago, from the high water mark down to the low one', async () => {
    const { w, ids, nameOf } = await filled(['a', 'b', 'c', 'd'], { highWater: '70%', lowWater: '45%' })
    const stowage = await w.open()
    // What was read longest ago is read again, in another process.
    const reader = await w.open()
    expect(await readFile(reader, ids.a as string, 'data')).toBe(text(200, 'a'))
    await reader.close()
    w.time.offset += HOUR
    const { caches, removals } = await stowage.evict()
    expect(caches[0]).toMatchObject({ sourceId: 'near', bytes: 800, staying: 400, highWater: 700, lowWater: 450 })
    expect(caches[0]?.marked.map(({ datasetId }) => nameOf(datasetId))).toEqual(['b', 'c'])
    expect(removals).toMatchObject({ removed: [], waiting: 2 })
    expect(await inCache(w, ids)).toEqual(['a', 'd'])
    // Reads are not sent there any more, and the bytes are there still.
    const { decision } = await stowage.as(node).datasets.open(ids.b as string, 'data')
    expect(decision.candidates.map(({ sourceId }) => sourceId)).toEqual(['origin'])
    expect(decision.dropped).toContainEqual(expect.objectContaining({ sourceId: 'near', filter: 'replica' }))
    expect((await contentsOf(w.stores.near as never)).bytes).toBe(800)
    w.time.offset += 899_000
    expect((await stowage.evict()).removals).toMatchObject({ removed: [], waiting: 2 })
    w.time.offset += 2000
    const after = await stowage.evict()
    expect(after.removals).toMatchObject({ failed: [], waiting: 0, kept: [] })
    expect(after.removals.removed).toHaveLength(2)
    const left = await contentsOf(w.stores.near as never)
    expect(left.bytes).toBe(400)
    // Of what left nothing stays but the markers of its places.
    for (const name of ['b', 'c']) {
      const own = left.keys.filter((key) => key.includes(ids[name] as string))
      expect(own).toEqual([`datasets/${ids[name]}/.stowage/root.json`])
      expect(await readFile(stowage, ids[name] as string, 'data')).toBe(text(200, name))
    }
    expect(await w.catalog.sync.list('removal/')).toEqual([])
    await stowage.close()
  })

  it('does nothing up to the high water mark, unless it is asked for room now', async () => {
    const { w, ids } = await filled(['a', 'b', 'c'], { highWater: 600, lowWater: 200 })
    const stowage = await w.open()
    expect((await stowage.evict()).caches[0]?.marked).toEqual([])
    expect((await stowage.evict({ now: true })).caches[0]?.marked).toHaveLength(2)
    expect(await inCache(w, ids)).toEqual(['c'])
    await stowage.close()
  })

  it('leaves what is pinned, by API or configuration, what is held, and primaries', async () => {
    const w = await filled(['a', 'b', 'c', 'd', 'e'], { highWater: 100, lowWater: 0, pins: ['c@1', 'd@2'] })
    const { ids } = w
    const stowage = await w.w.open()
    const { datasets } = stowage.as(ada)
    const told: object[] = []
    stowage.events.on('dataset.pinned', (event) => told.push(event))
    stowage.events.on('dataset.unpinned', (event) => told.push(event))
    await datasets.pin(ids.a as string)
    const url = await stowage.as(node).datasets.access(ids.b as string, { mode: 'url', path: 'data', expiresIn: 600 })
    expect(url.alternatives[0]?.sourceId).toBe('near')
    const { caches } = await stowage.evict()
    expect(await inCache(w.w, ids)).toEqual(['a', 'b', 'c'])
    expect(caches[0]?.kept).toMatchObject({ pinned: 2, held: 1 })
    // A pin that comes later brings back what was only marked.
    await datasets.pin(ids.d as string, { sourceId: 'near' })
    w.w.time.offset += HOUR
    const { removals } = await stowage.evict()
    expect(removals.kept).toMatchObject([{ datasetId: ids.d }])
    expect(removals.removed).toMatchObject([{ datasetId: ids.e }])
    expect(await datasets.unpin(ids.a as string)).toBe(true)
    expect(await datasets.unpin(ids.a as string)).toBe(false)
    expect(told).toMatchObject([
      { datasetId: ids.a, pinnedBy: 'ada' },
      { datasetId: ids.d, pinnedBy: 'ada', sourceId: 'near' },
      { datasetId: ids.a, unpinnedBy: 'ada' },
    ])
    w.w.time.offset += 2 * HOUR
    await stowage.evict()
    // The URL has expired by now, and whoever began to read by it is done.
    expect(await inCache(w.w, ids)).toEqual(['c', 'd'])
    await expectCode(datasets.pin(ids.a as string, { version: 9 }), 'not-found')
    await expectCode(datasets.pin(ids.a as string, { sourceId: 'nowhere' }), 'configuration')
    await stowage.close()
  })

  it('takes primaries only where it is told to', async () => {
    const w = await cacheWorld({ highWater: 0, lowWater: 0, graceMs: 0 })
    const stowage = await w.open()
    const cats = await stowage
      .as({ userId: 'bob', userType: 'internal', region: 'sz' })
      .datasets.create({ name: 'cats' })
    const draft = await w.catalog.datasets.createDraft({
      id: 'd1',
      datasetId: cats.id,
      sourceId: 'near',
      path: `datasets/${cats.id}/`,
      baseVersion: 0,
      author: 'bob',
    })
    const open = await cats.resumeDraft(draft.id)
    await open.put('data', Buffer.from('bytes'))
    await cats.publish(open)
    await stowage.replicate(cats.id, 1, 'origin')
    expect((await stowage.evict()).caches[0]).toMatchObject({ marked: [], kept: { primary: 1 } })
    const other = await w.open({ cache: { primaries: true } })
    expect((await other.evict()).removals.removed).toHaveLength(1)
    expect(await readFile(other, cats.id, 'data')).toBe('bytes')
    await other.close()
    await stowage.close()
  })

  it('keeps as many good copies elsewhere as are wanted, on sources that can be read', async () => {
    const { w, ids } = await filled(['a', 'b'], { highWater: 0, lowWater: 0, minimumCopies: 2, graceMs: 0 })
    const stowage = await w.open()
    expect((await stowage.evict()).caches[0]).toMatchObject({ marked: [], kept: { copies: 2 } })
    await stowage.replicate(ids.a as string, 1, 'archive')
    expect((await stowage.evict()).removals.removed).toMatchObject([{ datasetId: ids.a, version: 1 }])
    // A copy where nothing can be read is none.
    await stowage.replicate(ids.b as string, 1, 'archive')
    for (let i = 0; i < 20; i++) stowage.sources.report('archive', { ok: false, code: 'unavailable' })
    expect((await stowage.evict()).caches[0]).toMatchObject({ marked: [], kept: { copies: 1 } })
    await stowage.close()
  })

  it('a mark is taken back when the other copies turn out to be bad', async () => {
    const { w, ids } = await filled(['a'], { highWater: 0, lowWater: 0, graceMs: 1000 })
    const stowage = await w.open()
    expect((await stowage.evict()).caches[0]?.marked).toHaveLength(1)
    const damage = {
      datasetId: ids.a as string,
      sourceId: 'origin',
      key: 'k',
      kind: 'digest',
      blocks: [],
      message: 'rot',
    }
    await w.catalog.datasets.addDamage({ ...damage, kind: 'digest' })
    w.time.offset += 2000
    expect((await stowage.evict()).removals.kept).toHaveLength(1)
    expect(await inCache(w, ids)).toEqual(['a'])
    await stowage.close()
  })

  it('files that other versions need stay, whatever their state', async () => {
    const w = await cacheWorld({ highWater: 0, lowWater: 0, graceMs: 0, pins: ['cats@2'] })
    const id = await w.publish('cats', { shared: text(100), old: text(50), dropped: text(20) })
    await w.publish('cats', { fresh: text(30) })
    await w.publish('cats', { shared: text(100), fresh: text(30), last: text(7) }, { replace: true })
    const stowage = await w.open()
    for (const version of [1, 2, 3]) await stowage.replicate(id, version, 'near')
    const near = w.stores.near as never
    expect((await contentsOf(near)).bytes).toBe(100 + 50 + 20 + 30 + 100 + 30 + 7)
    expect(await w.catalog.datasets.usageOf('near')).toMatchObject({ bytes: 337, replicas: 3 })
    expect((await stowage.evict()).removals.removed).toMatchObject([{ version: 1 }, { version: 3 }])
    expect(await w.catalog.datasets.usageOf('near')).toMatchObject({ bytes: 200, replicas: 1 })
    expect((await contentsOf(near)).bytes).toBe(200)
    expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true })
    // What left can come again, and is whole then.
    for (const version of [1, 3]) await stowage.replicate(id, version, 'near')
    expect(await w.catalog.datasets.usageOf('near')).toMatchObject({ bytes: 337, replicas: 3 })
    expect((await contentsOf(near)).bytes).toBe(337)
    expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true })
    await stowage.close()
  })

  it('a version whose replica here is the base of an open draft stays', async () => {
    const { w, ids } = await filled(['a'], { highWater: 0, lowWater: 0, graceMs: 0 })
    const stowage = await w.open()
    const id = ids.a as string
    const draft = { id: 'd', datasetId: id, sourceId: 'near', path: `datasets/${id}/`, baseVersion: 1, author: 'ada' }
    await w.catalog.datasets.createDraft(draft)
    expect((await stowage.evict()).caches[0]).toMatchObject({ marked: [], kept: { busy: 1 } })
    const handle = await stowage.as(ada).datasets.get(id)
    const open = await handle.resumeDraft('d')
    await open.put('more', Buffer.from('more'))
    await handle.publish(open)
    expect((await stowage.evict()).removals.removed).toMatchObject([{ version: 1 }])
    expect(await readFile(stowage, id, 'data', 2)).toBe(text(200, 'a'))
    expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true })
    await stowage.close()
  })
})

describe('a full cache', () => {
  it('makes room for a copy before it refuses one, and holds no more than fits', async () => {
    const { w, ids } = await filled(['a', 'b', 'c', 'd'], {
      capacity: 900,
      highWater: 850,
      lowWater: 500,
      graceMs: 60_000,
    })
    const big = await w.publish('big', { data: text(300) })
    const stowage = await w.open()
    const error = await expectCode(stowage.replicate(big, 1, 'near'), 'no-space')
    expect(error).toMatchObject({ sourceId: 'near', retryable: true })
    expect(error.hint).toContain('on their way out')
    expect((await w.catalog.datasets.listReplicas(big)).map(({ sourceId }) => sourceId)).toEqual(['origin'])
    expect(await inCache(w, ids)).toEqual(['d'])
    w.time.offset += 61_000
    await stowage.evict()
    expect((await stowage.replicate(big, 1, 'near')).status).toBe('success')
    expect(await w.catalog.datasets.usageOf('near')).toMatchObject({ bytes: 500, leaving: 0 })
    const huge = await w.publish('huge', { data: text(901) })
    await expectCode(stowage.replicate(huge, 1, 'near'), 'no-space')
    await stowage.close()
  })

  it('is passed over by writes, which is explained, and refuses what comes in spite of that', async () => {
    const { w, ids } = await filled(['a', 'b'], { capacity: 400 })
    const stowage = await w.open()
    const writer = { purpose: 'write', actor: { userType: 'internal', region: 'sz' } } as const
    const full = await stowage.route(writer)
    expect(full.dropped).toContainEqual({ sourceId: 'near', filter: 'room', reason: 'it is full' })
    const backup = await stowage.route({ ...writer, purpose: 'backup', datasetId: ids.a as string })
    expect(backup.dropped.find(({ sourceId }) => sourceId === 'near')?.filter).toBe('replica')
    const id = ids.a as string
    const draft = { id: 'd', datasetId: id, sourceId: 'near', path: `datasets/${id}/`, baseVersion: 1, author: 'ada' }
    await w.catalog.datasets.createDraft(draft)
    const open = await (await stowage.as(ada).datasets.get(id)).resumeDraft('d')
    await expectCode(open.put('f', Buffer.from('f')), 'no-space')
    const larger = await w.open({ cache: { capacity: 500 } })
    expect((await larger.route(writer)).dropped.filter(({ filter }) => filter === 'room')).toEqual([])
    const sized = await larger.route({ ...writer, size: 101 })
    expect(sized.dropped.find(({ sourceId }) => sourceId === 'near')?.reason).toContain('room for 100 bytes')
    await larger.close()
    await stowage.close()
  })
})
