import { hasCode, type StorageAdapter } from '@stowage/core'
import { until } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { type CacheWorld, cacheWorld, contentsOf, readFile } from './testing.ts'

const all = { highWater: 0, lowWater: 0, graceMs: 0 }

/** Something with one of its calls replaced. */
function altered<T extends object, K extends keyof T>(base: T, name: K, call: T[K]): T {
  return new Proxy(base, {
    get(target, property) {
      if (property === name) return call
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function cached(w: CacheWorld, files: Record<string, string>) {
  const id = await w.publish('cats', files)
  const stowage = await w.open()
  await stowage.replicate(id, 1, 'near')
  return { id, stowage }
}

it('one store by two names is one copy', async () => {
  const w = await cacheWorld(all)
  const { id, stowage } = await cached(w, { a: 'meow' })
  await stowage.close()
  // Another name of the host, another mount of the disk: nothing but the bytes tells.
  const adapters = { ...w.stores, origin: w.stores.near as StorageAdapter }
  const other = await w.open({ adapters })
  const { caches, removals } = await other.evict()
  expect(caches[0]?.marked).toHaveLength(1)
  expect(removals).toMatchObject({ removed: [], kept: [{ datasetId: id }], failed: [] })
  expect((await contentsOf(adapters.origin)).keys.filter((key) => key.includes('leaving'))).toEqual([])
  expect(await readFile(other, id, 'a')).toBe('meow')
  await other.close()
})

it('a copy that is there by the catalog alone counts for nothing', async () => {
  const w = await cacheWorld(all)
  const { id, stowage } = await cached(w, { a: 'meow' })
  // The bucket was emptied, or its disk is not mounted; it answers as well as ever.
  const origin = w.stores.origin as StorageAdapter
  const { keys } = await contentsOf(origin)
  await origin.deleteMany(keys)
  expect((await stowage.evict()).removals).toMatchObject({ removed: [], kept: [{ datasetId: id }] })
  expect(await readFile(stowage, id, 'a')).toBe('meow')
  await stowage.close()
})

it('a removal stops when the other source falls ill, and goes on when it is well', async () => {
  const w = await cacheWorld({ ...all, capacity: 10_000 })
  const files = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`f${i}`, `${i}`]))
  const { id, stowage } = await cached(w, files)
  await stowage.close()
  const near = w.stores.near as StorageAdapter
  let calls = 0
  const deleteMany: StorageAdapter['deleteMany'] = async (keys, options) => {
    calls++
    const deleted = await near.deleteMany(keys, options)
    for (let i = 0; i < 20; i++) ill.sources.report('origin', { ok: false, code: 'unavailable' })
    return deleted
  }
  const ill = await w.open({ adapters: { ...w.stores, near: altered(near, 'deleteMany', deleteMany) } })
  const { removals } = await ill.evict()
  expect(calls).toBe(1)
  expect(removals).toMatchObject({ removed: [], failed: [{ error: { code: 'unsafe' } }] })
  expect((await contentsOf(near)).keys.length).toBeGreaterThan(100)
  await ill.close()
  const well = await w.open()
  for (let i = 0; i < 20; i++) well.sources.report('origin', { ok: true })
  expect((await well.evict()).removals).toMatchObject({ removed: [{ datasetId: id }], failed: [] })
  await well.close()
})

it('what is copied is counted, though somebody took the replica back', async () => {
  const w = await cacheWorld({ capacity: 10, highWater: 10, lowWater: 10, graceMs: 0 })
  const id = await w.publish('cats', { a: 'meow', b: 'purr' })
  const dogs = await w.publish('dogs', { a: 'woof' })
  const { datasets } = w.catalog
  const near = w.stores.near as StorageAdapter
  let letGo = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  // The second has seen no replica yet, and comes to write it down when the first is at work and the cache has been filled by a third.
  let looked = false
  const late = altered(datasets, 'addReplica', async (replica) => {
    looked = true
    await gate
    return datasets.addReplica(replica)
  })
  const two = await w.open({ catalog: { ...w.catalog, datasets: late } })
  const second = two.replicate(id, 1, 'near').catch((error: unknown) => error)
  const put: StorageAdapter['put'] = async (key, ...rest) => {
    if (key.endsWith('/b')) {
      const path = `datasets/${dogs}/`
      await datasets.addReplica({ datasetId: dogs, version: 1, sourceId: 'near', path, size: 4 })
      letGo()
      await second
    }
    return near.put(key, ...rest)
  }
  await until('the second has looked', () => looked)
  const one = await w.open({ adapters: { ...w.stores, near: altered(near, 'put', put) } })
  const first = await one.replicate(id, 1, 'near').catch((error: unknown) => error)
  expect(hasCode(await second, 'no-space')).toBe(true)
  expect(hasCode(first, 'conflict')).toBe(true)
  expect(await datasets.listReplicas(id)).toContainEqual(expect.objectContaining({ sourceId: 'near', status: 'error' }))
  expect((await contentsOf(near)).bytes).toBe(8)
  // So it goes when its space is wanted.
  expect((await one.evict({ now: true })).removals.removed).toMatchObject([{ datasetId: id }])
  expect((await contentsOf(near)).bytes).toBe(0)
  await one.close()
  await two.close()
})

it('what somebody began to copy to after it was looked at is not marked', async () => {
  const w = await cacheWorld(all)
  const id = await w.publish('cats', { a: 'meow', b: 'purr' })
  const { datasets } = w.catalog
  const name = { datasetId: id, version: 1, sourceId: 'near' }
  await datasets.addReplica({ ...name, path: `datasets/${id}/`, size: 8 })
  await datasets.setReplicaStatus(name, 'error', 'it failed')
  const slow = altered(datasets, 'freedBy', async (replica) => {
    await datasets.setReplicaStatus(name, 'syncing')
    return datasets.freedBy(replica)
  })
  const stowage = await w.open({ catalog: { ...w.catalog, datasets: slow } })
  expect((await stowage.evict()).caches[0]).toMatchObject({ marked: [], kept: { busy: 1 } })
  await stowage.close()
})
