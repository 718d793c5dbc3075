import { hasCode, type StorageAdapter } from '@stowage/core'
import { type Caller, mortal } from '@stowage/core/testing'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import { ada, type CacheWorld, cacheWorld, contentsOf, node } from './testing.ts'

/** What a version consists of, as it was published. */
type Published = Record<string, string>[]

/** Failures that others at the same work may cause, and that change nothing. */
const passing = ['conflict', 'lease-held', 'lease-lost', 'unsafe', 'not-found', 'no-source', 'no-space'] as const

const works = ['evict', 'evict', 'scrub', 'copy', 'ensure', 'publish', 'read', 'read', 'pin', 'rot'] as const
type Work = (typeof works)[number]

interface Play {
  w: CacheWorld
  id: string
  published: Published
  /** Objects of which another copy than that of the cache lies beside the origin. */
  kept: ReadonlySet<string>
}

async function begin(): Promise<Play> {
  const w = await cacheWorld({ highWater: 0, lowWater: 0, graceMs: 0, minimumCopies: 2 })
  const published: Published = [
    { a: 'a1', b: 'b1' },
    { a: 'a1', b: 'b2', c: 'c2' },
  ]
  const id = await w.publish('cats', { a: 'a1', b: 'b1' })
  await w.publish('cats', { b: 'b2', c: 'c2' })
  const stowage = await w.open()
  for (const version of [1, 2]) for (const to of ['archive', 'near']) await stowage.replicate(id, version, to)
  await stowage.close()
  const { keys } = await contentsOf(w.stores.archive as StorageAdapter)
  return { w, id, published, kept: new Set(keys) }
}

/** A read of everything: what it gives must be right, whatever goes on. */
async function readAll({ id, published }: Play, stowage: Stowage, pick: number): Promise<void> {
  const version = 1 + (pick % published.length)
  for (const [path, content] of Object.entries(published[version - 1] ?? {})) {
    const file = await stowage.as(node).datasets.open(id, path, { version })
    const chunks: Uint8Array[] = []
    for await (const chunk of file.stream) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString(), `${path}@${version}`).toBe(content)
  }
}

async function work(kind: Work, play: Play, stowage: Stowage, pick: number): Promise<void> {
  const { id, w, published, kept } = play
  const version = 1 + (pick % published.length)
  if (kind === 'read') return readAll(play, stowage, pick)
  if (kind === 'evict') await stowage.evict()
  if (kind === 'scrub') await stowage.verifyDataset(id, { repair: true, version })
  if (kind === 'copy') await stowage.replicate(id, version, 'near')
  if (kind === 'ensure') await stowage.as(node).datasets.ensureReplica(id, { version })
  if (kind === 'pin') {
    await stowage.as(ada).datasets.pin(id, { version })
    await stowage.as(ada).datasets.unpin(id, { version })
  }
  if (kind === 'publish') {
    const cats = await stowage.as(ada).datasets.get(id)
    const { draft } = await cats.draft()
    await draft.put('b', Buffer.from(`b of ${draft.id}`))
    const base = published[draft.draft.baseVersion - 1]
    await cats.publish(draft)
    published[draft.draft.baseVersion] = { ...base, b: `b of ${draft.id}` }
  }
  if (kind === 'rot') {
    // A byte flips on the origin, where another copy beside the cache is left to mend from: of what was just published there is none yet.
    const origin = w.stores.origin as StorageAdapter
    for await (const { objects } of origin.list()) {
      const files = objects.filter(({ key, size }) => kept.has(key) && !key.includes('.stowage') && size > 0)
      const one = files[pick % files.length]
      if (one !== undefined) await origin.put(one.key, Buffer.alloc(one.size, '?'))
      return
    }
  }
}

/** Before anything is deleted from the cache: two ready copies of each of its versions that leave must be elsewhere, as far as is known. */
function guarded(play: Play, store: StorageAdapter): StorageAdapter {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (property !== 'deleteMany') return typeof value === 'function' ? value.bind(target) : value
      return async (keys: string[], options?: object) => {
        const { datasets } = play.w.catalog
        const replicas = await datasets.listReplicas(play.id)
        const leaving = (await datasets.listRemovals()).filter(({ begun }) => begun)
        expect(leaving.length).toBeGreaterThan(0)
        for (const { version } of leaving) {
          const others = replicas.filter((r) => r.version === version && r.sourceId !== 'near' && r.status === 'ready')
          expect(others.length, `copies of version ${version} when its objects are deleted`).toBeGreaterThanOrEqual(2)
        }
        return target.deleteMany(keys, options)
      }
    },
  })
}

async function end(play: Play): Promise<void> {
  const { w, id } = play
  const stowage = await w.open()
  w.time.offset += 3 * 3_600_000
  for (let round = 0; round < 3; round++) {
    await stowage.verifyDataset(id, { repair: true })
    await stowage.evict().catch(() => undefined)
    w.time.offset += 3_600_000
  }
  const after = await stowage.verifyDataset(id, { repair: true })
  expect(after.findings).toEqual([])
  for (let version = 1; version <= play.published.length; version++) await readAll(play, stowage, version - 1)
  // Nothing lies in the cache that no replica there has.
  const { bytes } = await contentsOf(w.stores.near as StorageAdapter)
  const { bytes: counted, leaving } = await w.catalog.datasets.usageOf('near')
  expect(bytes, 'bytes in the cache, and as they are counted').toBe(counted)
  expect(leaving).toBe(0)
  expect(await w.catalog.datasets.listDamage()).toEqual([])
  await stowage.close()
  await w.catalog.close()
}

it(
  'reads never fail and copies are never too few, whatever an evictor, a scrub, copies and uploads do at the same time',
  async () => {
    const plays = fc.array(fc.record({ kind: fc.constantFrom(...works), pick: fc.nat(11) }), {
      minLength: 2,
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plays, async (scheduler, steps) => {
        const play = await begin()
        const caller: Caller = {
          async call(name, work) {
            await scheduler.schedule(Promise.resolve(), name)
            return work()
          },
        }
        const stores = { ...play.w.stores, near: guarded(play, play.w.stores.near as StorageAdapter) }
        const adapters = Object.fromEntries(
          Object.entries(stores).map(([id, store]) => [id, mortal(store, id, caller)]),
        )
        const catalog = {
          ...play.w.catalog,
          datasets: mortal(play.w.catalog.datasets, 'catalog', caller),
          sync: mortal(play.w.catalog.sync, 'records', caller),
        }
        const all = steps.map(async ({ kind, pick }) => {
          const stowage = await play.w.open({ adapters, catalog })
          try {
            await work(kind, play, stowage, pick)
          } catch (error) {
            // A read has no excuse.
            if (kind === 'read' || !hasCode(error, ...passing)) throw error
          } finally {
            await stowage.close()
          }
        })
        await scheduler.waitFor(Promise.all(all))
        await end(play)
      }),
      { numRuns: runs(25, 3000), seed: testSeed() },
    )
  },
  runs(600_000, 7_200_000),
)
