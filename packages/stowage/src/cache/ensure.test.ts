import type { StorageAdapter, SyncProgress } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { until } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { type CacheWorld, cacheWorld, contentsOf, node, readFile } from './testing.ts'

/** A store that tells how often each key was written, and can hold writes back. */
function watched(store: StorageAdapter): { store: StorageAdapter; writes: string[]; hold(): () => void } {
  const writes: string[] = []
  let gate: Promise<void> = Promise.resolve()
  const proxy = new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (property !== 'put') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<StorageAdapter['put']>) => {
        await gate
        writes.push(args[0])
        return target.put(...args)
      }
    },
  })
  return {
    store: proxy,
    writes,
    hold() {
      let open = (): void => undefined
      gate = new Promise((resolve) => {
        open = resolve
      })
      return open
    },
  }
}

async function world(cache: Parameters<typeof cacheWorld>[0] = {}): Promise<{ w: CacheWorld; id: string }> {
  const w = await cacheWorld(cache)
  return { w, id: await w.publish('cats', { a: 'meow', b: 'purr' }) }
}

describe('ensureReplica', () => {
  it('has a copy made, once, and answers at once when it is there', async () => {
    const { w, id } = await world()
    const stowage = await w.open()
    const progress: SyncProgress[] = []
    const { datasets } = stowage.as(node)
    const made = await datasets.ensureReplica(id, { onProgress: (p) => progress.push(p) })
    expect(made).toMatchObject({ status: 'ready', sourceId: 'near', version: 1, wasThere: false })
    expect(made.replica).toMatchObject({ status: 'ready' })
    expect(progress.at(-1)).toMatchObject({ bytes: 8, totalBytes: 8, listingDone: true })
    const again = await datasets.ensureReplica(id, { onProgress: () => expect.unreachable() })
    expect(again).toMatchObject({ status: 'ready', sourceId: 'near', wasThere: true })
    // The origin is near to those in its own region.
    expect(await datasets.ensureReplica(id, { region: 'hz' })).toMatchObject({ sourceId: 'origin', wasThere: true })
    expect(await datasets.ensureReplica(id, { sourceId: 'origin' })).toMatchObject({ wasThere: true })
    expect(await datasets.ensureReplica(id, { sourceId: 'archive' })).toMatchObject({ wasThere: false })
    // Far away is near enough where that is said.
    const other = await w.publish('dogs', { a: 'woof' })
    expect(await datasets.ensureReplica(other, { within: 1000 })).toMatchObject({ sourceId: 'origin', wasThere: true })
    await stowage.close()
  })

  it('makes one copy for all who ask, in two processes', async () => {
    const { w, id } = await world()
    const near = watched(w.stores.near as StorageAdapter)
    const adapters = { ...w.stores, near: near.store }
    const [one, two] = [await w.open({ adapters }), await w.open({ adapters })]
    const asked = Array.from({ length: 8 }, (_, i) =>
      (i % 2 === 0 ? one : two).as(node).datasets.ensureReplica(id, i === 3 ? { sourceId: 'near' } : {}),
    )
    for (const made of await Promise.all(asked)) expect(made).toMatchObject({ status: 'ready', sourceId: 'near' })
    const files = near.writes.filter((key) => !key.includes('.stowage'))
    expect(files).toHaveLength(2)
    await one.close()
    await two.close()
  })

  it('answers `pending` at the deadline, and the copy goes on', async () => {
    const { w, id } = await world()
    const near = watched(w.stores.near as StorageAdapter)
    const stowage = await w.open({ adapters: { ...w.stores, near: near.store } })
    const letGo = near.hold()
    const pending = await stowage.as(node).datasets.ensureReplica(id, { deadlineMs: 20 })
    expect(pending).toMatchObject({ status: 'pending', sourceId: 'near' })
    letGo()
    await stowage.idle()
    expect(await stowage.as(node).datasets.ensureReplica(id)).toMatchObject({ status: 'ready', wasThere: true })
    await stowage.close()
  })

  it('hands a copy that was not done in time to the queue when the process ends, and a worker goes on', async () => {
    const { w, id } = await world()
    const near = watched(w.stores.near as StorageAdapter)
    const stowage = await w.open({ adapters: { ...w.stores, near: near.store } })
    const letGo = near.hold()
    expect(await stowage.as(node).datasets.ensureReplica(id, { deadlineMs: 20 })).toMatchObject({ status: 'pending' })
    const closing = stowage.close()
    letGo()
    await closing
    const worker = await w.open()
    const stop = new AbortController()
    const working = worker.work({ signal: stop.signal })
    const ready = async (): Promise<boolean> =>
      (await w.catalog.datasets.listReplicas(id)).some((r) => r.sourceId === 'near' && r.status === 'ready')
    await until('the copy is there', ready)
    stop.abort()
    await working
    expect(await ready()).toBe(true)
    await worker.close()
  })

  it('a wait that is given up stops the copy, unless others wait for it', async () => {
    const { w, id } = await world()
    const near = watched(w.stores.near as StorageAdapter)
    const stowage = await w.open({ adapters: { ...w.stores, near: near.store } })
    const { datasets } = stowage.as(node)
    const letGo = near.hold()
    const stop = new AbortController()
    const given = datasets.ensureReplica(id, { signal: stop.signal })
    const other = datasets.ensureReplica(id)
    await new Promise((resolve) => setTimeout(resolve, 20))
    stop.abort()
    await expectCode(given, 'aborted')
    letGo()
    expect(await other).toMatchObject({ status: 'ready' })
    const dogs = await w.publish('dogs', { a: 'woof' })
    const again = near.hold()
    const alone = new AbortController()
    const waits = datasets.ensureReplica(dogs, { signal: alone.signal })
    await new Promise((resolve) => setTimeout(resolve, 20))
    alone.abort()
    await expectCode(waits, 'aborted')
    again()
    await stowage.idle()
    expect((await w.catalog.datasets.listReplicas(dogs)).map(({ status }) => status)).not.toEqual(['ready', 'ready'])
    expect(await datasets.ensureReplica(dogs)).toMatchObject({ status: 'ready', wasThere: false })
    await expectCode(
      datasets.ensureReplica(dogs, { signal: AbortSignal.abort(), region: 'sz', version: 1, sourceId: 'x' }),
      'invalid-request',
    )
    await stowage.close()
  })

  it('keeps what is on its way out, while its bytes are there', async () => {
    const { w, id } = await world({ highWater: 0, lowWater: 0, graceMs: 60_000 })
    const stowage = await w.open()
    await stowage.replicate(id, 1, 'near')
    expect((await stowage.evict()).caches[0]?.marked).toHaveLength(1)
    const writes = (await contentsOf(w.stores.near as StorageAdapter)).keys
    expect(await stowage.as(node).datasets.ensureReplica(id)).toMatchObject({ status: 'ready', sourceId: 'near' })
    w.time.offset += 61_000
    expect((await stowage.evict()).removals.removed).toEqual([])
    expect((await contentsOf(w.stores.near as StorageAdapter)).keys).toEqual(writes)
    expect(await readFile(stowage, id, 'a')).toBe('meow')
    await stowage.close()
  })

  it('says what is wrong', async () => {
    const { w, id } = await world({ capacity: 7 })
    const stowage = await w.open()
    const { datasets } = stowage.as(node)
    const full = await expectCode(datasets.ensureReplica(id), 'no-space')
    expect(full.hint).toContain('near: it has room for 7 bytes')
    const none = await expectCode(datasets.ensureReplica(id, { region: 'moon' }), 'no-source')
    expect(none.hint).toMatch(/archive: too far away/)
    await expectCode(datasets.ensureReplica('nothing'), 'not-found')
    await expectCode(datasets.ensureReplica(id, { version: 2 }), 'not-found')
    await expectCode(datasets.ensureReplica(id, { sourceId: 'nowhere' }), 'configuration')
    for (const wrong of [{ version: 0 }, { within: -1 }, { deadlineMs: Number.NaN }]) {
      const error = await expectCode(datasets.ensureReplica(id, wrong), 'invalid-request')
      expect(error.field).toBe(Object.keys(wrong)[0])
    }
    await expectCode(stowage.as({ userId: 'x' }).datasets.ensureReplica(id), 'invalid-request')
    // An external user may not read there, so a copy would be of no use.
    const outside = stowage.as({ userId: 'eve', userType: 'external', region: 'sz' }).datasets
    await expectCode(outside.ensureReplica(id), 'no-source')
    await stowage.close()
  })
})
