import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { BLOCK_SIZE, type Random, type StorageAdapter, StowageError } from '@stowage/core'
import { type Caller, Life, mortal, seededRandom } from '@stowage/core/testing'
import { runs, tempDir } from '@stowage/test-support'
import { describe, expect, it, vi } from 'vitest'
import { createStowage } from './create.ts'
import type { Stowage } from './stowage.ts'

// With small blocks each call is the same as with large ones, and hashing and copying would be most of the work.
vi.mock('../../../core/src/digest/block-size.ts', () => ({ BLOCK_SIZE: 64 * 1024 }))

interface World {
  catalog: Catalog
  a: StorageAdapter
  b: StorageAdapter
  folder: string
  clock: { now(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> }
  time: { offset: number }
}

/** A store outlives the processes that use it. */
function lasting(adapter: StorageAdapter): StorageAdapter {
  adapter.close = async () => undefined
  return adapter
}

/** Of three parts: fewer would be sent in one piece. */
const large = Buffer.alloc(2 * BLOCK_SIZE + 7, 'stowage ')

async function world(): Promise<World> {
  const folder = tempDir('crash')
  mkdirSync(join(folder, 'sub'))
  writeFileSync(join(folder, 'one'), '1')
  writeFileSync(join(folder, 'sub', 'two'), '22')
  writeFileSync(join(folder, 'large'), large)
  const time = { offset: 0 }
  const clock = {
    now: () => Date.now() + time.offset,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const abort = () => {
          clearTimeout(timer)
          reject(new StowageError('aborted', 'aborted'))
        }
        // Nothing is waited for but what a test waits for: retries come at once, heartbeats never.
        const timer = setTimeout(resolve, ms > 900 ? 2 ** 30 : 0)
        if (signal?.aborted) abort()
        else signal?.addEventListener('abort', abort, { once: true })
      }),
  }
  return {
    catalog: await openCatalog({ type: 'memory' }, { clock }),
    a: lasting(memory({ id: 'a' })),
    b: lasting(memory({ id: 'b' })),
    folder,
    clock,
    time,
  }
}

/** Chance that draws no wait before a retry so long that the clock of these tests takes it for a heartbeat. */
function quick(random: Random): Random {
  return { next: () => random.next() / 2, id: (now) => random.id(now) }
}

async function open(w: World, life?: Caller): Promise<Stowage> {
  const wrap = <T extends object>(target: T, name: string): T =>
    life === undefined ? target : mortal(target, name, life)
  return createStowage(
    {
      sources: [
        { id: 'a', type: 'memory', isPublic: true },
        { id: 'b', type: 'memory' },
      ],
      policies: [{ id: 'inward', on: 'publish', from: 'a', to: 'b' }],
    },
    {
      background: false,
      clock: w.clock,
      random: quick(seededRandom(life === undefined ? 2 : 1)),
      adapters: { a: wrap(w.a, 'adapter a'), b: wrap(w.b, 'adapter b') },
      catalog: { ...w.catalog, datasets: wrap(w.catalog.datasets, 'catalog') },
    },
  )
}

const ada = { userId: 'ada', userType: 'external' } as const

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** What must hold at any moment: what is published can be read, from each replica that is ready. */
async function check(w: World, note: string): Promise<number> {
  let found = 0
  for (const { id } of await w.catalog.datasets.listDatasets()) {
    for (const { number } of await w.catalog.datasets.listVersions(id)) {
      const replicas = await w.catalog.datasets.listReplicas(id, number)
      for (const { sourceId } of replicas.filter((replica) => replica.status === 'ready')) {
        const alone = await createStowage(
          { sources: [{ id: sourceId, type: 'memory', isPublic: true }] },
          {
            background: false,
            adapters: { [sourceId]: sourceId === 'a' ? w.a : w.b },
            catalog: w.catalog,
          },
        )
        const { datasets } = alone.as(ada)
        const read = async (path: string) =>
          (await bytesOf((await datasets.open(id, path, { version: number })).stream)).toString('latin1')
        expect(await read('one'), `${note}, version ${number} on ${sourceId}`).toBe('1')
        expect(await read('sub/two'), note).toBe('22')
        expect((await read('large')) === large.toString('latin1'), note).toBe(true)
        await alone.close()
        found++
      }
    }
  }
  return found
}

async function work(stowage: Stowage, folder: string, resume: boolean): Promise<void> {
  const { datasets } = stowage.as(ada)
  const cats = await datasets.create({ name: 'cats' }).catch(async (error) => {
    if (error.code !== 'conflict') throw error
    return datasets.get('cats')
  })
  await cats.upload(folder, { resume })
  const failed = (await stowage.runPolicies()).filter((one) => one.status !== 'success')
  if (failed.length > 0) throw new StowageError('internal', JSON.stringify(failed.map((one) => one.error)))
}

describe.each([
  ['before the call has an effect', false],
  ['after it had one', true],
] as const)('killed at any call, %s', (_, effect) => {
  it('a new process brings it to the same end', async () => {
    let died = 0
    const step = runs(7, 1)
    for (let n = effect ? 4 : 1; ; n += step) {
      const w = await world()
      const life = new Life(n, effect)
      const first = await open(w, life)
      let ended = false
      try {
        await work(first, w.folder, true)
        ended = !life.dead
      } catch (error) {
        expect(life.dead, `call ${n}: ${error}`).toBe(true)
      }
      await first.close()
      if (ended) break
      died++
      const note = `killed at call ${n}: ${life.last}`
      await check(w, note)
      // Whatever the dead process held is let go of after a while.
      w.time.offset += 120_000
      const second = await open(w)
      await work(second, w.folder, true).catch((error) => {
        throw new Error(`${note}: ${error}`, { cause: error })
      })
      const [dataset] = await w.catalog.datasets.listDatasets()
      const versions = await w.catalog.datasets.listVersions(dataset?.id ?? '')
      // Killed after the version was published, the second upload published another; nothing is lost or doubled otherwise.
      expect(new Set(versions.map((version) => version.number)).size, note).toBe(versions.length)
      expect(await check(w, note), note).toBe(2 * versions.length)
      expect(await w.catalog.datasets.takeOutbox(9, 1), note).toEqual([])
      for (const adapter of [w.a, w.b]) {
        for await (const page of adapter.list()) {
          for (const { key } of page.objects) expect(await adapter.multipart.list(key), note).toEqual([])
        }
      }
      expect(await second.runPolicies(), note).toEqual([])
      await second.close()
      await w.catalog.close()
    }
    expect(died).toBeGreaterThan(60 / step)
  }, 900_000)
})

describe('one failing call', () => {
  it.each(['unavailable', 'timeout', 'access-denied'] as const)(
    '%s at any call loses nothing, and the same work again comes to the end',
    async (code) => {
      for (let n = 1; ; n += runs(11, 1)) {
        const w = await world()
        let left = n
        let failed = ''
        const life = {
          call: async <T>(name: string, run: () => T | Promise<T>): Promise<T> => {
            if (--left === 0) {
              failed = name
              throw new StowageError(code, 'it failed')
            }
            return run()
          },
        }
        const stowage = await open(w, life)
        const note = () => `failed at call ${n}: ${failed}`
        await work(stowage, w.folder, true).catch(() => undefined)
        if (left > 0) break
        await check(w, note())
        await work(stowage, w.folder, true).catch((error) => {
          throw new Error(`${note()}: ${error}`, { cause: error })
        })
        const [dataset] = await w.catalog.datasets.listDatasets()
        const versions = await w.catalog.datasets.listVersions(dataset?.id ?? '')
        expect(await check(w, note()), note()).toBe(2 * versions.length)
        expect(await w.catalog.datasets.takeOutbox(9, 1), note()).toEqual([])
        await stowage.close()
        await w.catalog.close()
      }
    },
    900_000,
  )
})
