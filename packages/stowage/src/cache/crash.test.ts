import type { StorageAdapter } from '@stowage/core'
import { type Caller, Life, mortal, seededRandom } from '@stowage/core/testing'
import { runs, testSeed } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import { type CacheWorld, cacheWorld, contentsOf, readFile } from './testing.ts'

const HOUR = 3_600_000

interface Cached {
  w: CacheWorld
  id: string
}

/** Three versions that share files, all of them in a cache in which there is room for none. */
async function cached(): Promise<Cached> {
  const w = await cacheWorld({ highWater: 0, lowWater: 0, graceMs: 60_000, pins: ['cats@3'] })
  const id = await w.publish('cats', { shared: 'shared', old: 'old', dropped: 'dropped' })
  await w.publish('cats', { fresh: 'fresh' })
  await w.publish('cats', { shared: 'shared', fresh: 'fresh', last: 'last' }, { replace: true })
  const stowage = await w.open()
  for (const version of [1, 2, 3]) await stowage.replicate(id, version, 'near')
  await stowage.close()
  return { w, id }
}

function openAs(w: CacheWorld, life: Caller): Promise<Stowage> {
  const adapters = Object.fromEntries(Object.entries(w.stores).map(([id, store]) => [id, mortal(store, id, life)]))
  const datasets = mortal(w.catalog.datasets, 'catalog', life)
  return w.open({ adapters, catalog: { ...w.catalog, datasets, sync: mortal(w.catalog.sync, 'records', life) } })
}

const files: Record<number, Record<string, string>> = {
  1: { shared: 'shared', old: 'old', dropped: 'dropped' },
  2: { shared: 'shared', old: 'old', dropped: 'dropped', fresh: 'fresh' },
  3: { shared: 'shared', fresh: 'fresh', last: 'last' },
}

/** What must hold at any moment: everything can be read, and what is ready in the cache is whole. */
async function check({ w, id }: Cached, note: string): Promise<void> {
  const reader = await w.open()
  for (const [version, expected] of Object.entries(files)) {
    for (const [path, content] of Object.entries(expected)) {
      expect(await readFile(reader, id, path, Number(version)), `${note}: ${path}@${version}`).toBe(content)
    }
  }
  expect((await reader.verifyDataset(id)).findings, note).toEqual([])
  await reader.close()
}

/** Runs as processes that come later do, until nothing is left to do. */
async function finish({ w, id }: Cached, note: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    w.time.offset += HOUR
    const stowage = await w.open()
    await stowage.evict()
    await stowage.close()
  }
  const left = (await w.catalog.datasets.listReplicas(id)).filter(({ sourceId }) => sourceId === 'near')
  expect(
    left.map(({ version, status }) => `${version} ${status}`),
    note,
  ).toEqual(['3 ready'])
  const { keys } = await contentsOf(w.stores.near as StorageAdapter)
  expect(keys.filter((key) => !key.includes('.stowage')).length, `${note}: ${keys.join(' ')}`).toBe(3)
  const own = keys.filter((key) => key.includes('.stowage'))
  expect(own.map((key) => key.replace(/.*\.stowage\//, '').replace(/\/.*/, '')).sort(), note).toEqual([
    'manifests',
    'ranges',
    'root.json',
    'versions',
  ])
  expect(await w.catalog.sync.list('removal/'), note).toEqual([])
  expect(await w.catalog.datasets.listRemovals(), note).toEqual([])
}

describe.each([
  ['before the call has an effect', false],
  ['after it had one', true],
] as const)('an eviction that is killed at any call, %s', (_, effect) => {
  it('leaves every version whole, and the next ones finish it', async () => {
    const random = seededRandom(testSeed())
    const step = runs(8, 1)
    let died = 0
    for (let n = 1; ; n += 1 + Math.floor(random.next() * 2 * (step - 1))) {
      const c = await cached()
      const life = new Life(n, effect)
      const first = await openAs(c.w, life).catch((error) => {
        if (!life.dead) throw error
      })
      for (let round = 0; round < 2 && !life.dead; round++) {
        await first?.evict().catch((error: unknown) => {
          if (!life.dead) throw error
        })
        c.w.time.offset += HOUR
      }
      await first?.close().catch(() => undefined)
      const note = `killed at call ${n}: ${life.last}`
      await check(c, note)
      await finish(c, note)
      await check(c, note)
      await c.w.catalog.close()
      if (!life.dead) break
      died++
    }
    expect(died).toBeGreaterThan(60 / step)
  }, 900_000)
})
