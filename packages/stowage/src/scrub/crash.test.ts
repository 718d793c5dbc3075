import { BLOCK_SIZE, type StorageAdapter, StowageError } from '@stowage/core'
import { type Caller, Life, mortal, seededRandom } from '@stowage/core/testing'
import { runs, testSeed } from '@stowage/test-support'
import { describe, expect, it, vi } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import { ada, bytesAt, bytesOfBlocks, keyWith, rot, type ScrubWorld, scrubWorld } from './testing.ts'

// With small blocks each call is the same as with large ones, and hashing and copying would be nine tenths of the work.
vi.mock('../../../core/src/digest/block-size.ts', () => ({ BLOCK_SIZE: 64 * 1024 }))

const DAY = 86_400_000

/** A bound against hanging: at full size it dies more than two hundred times in each way. */
const timeoutMs = runs(900_000, 3_600_000)

/** More than one part, so that a mend is a multipart upload. */
const large = bytesOfBlocks(2, 99)

interface Damaged {
  w: ScrubWorld
  id: string
  /** The right contents of each store. */
  right: Map<StorageAdapter, Map<string, Buffer>>
}

async function contents(store: StorageAdapter): Promise<Map<string, Buffer>> {
  const all = new Map<string, Buffer>()
  for await (const { objects } of store.list()) for (const { key } of objects) all.set(key, await bytesAt(store, key))
  return all
}

/** Two replicas that are rotten in different places, and one that has lost a file. */
async function damaged(): Promise<Damaged> {
  const w = await scrubWorld()
  const id = await w.publish({ large, small: 'small', other: 'other' })
  const [a, b] = [w.stores.a as StorageAdapter, w.stores.b as StorageAdapter]
  const right = new Map([
    [a, await contents(a)],
    [b, await contents(b)],
  ])
  await rot(a, '/large', 1)
  await rot(b, '/large', BLOCK_SIZE + 1)
  await rot(b, '/small', 1)
  await a.delete(await keyWith(a, '/other'))
  await rot(b, '/ranges/', 20)
  w.time.offset += 25 * DAY
  return { w, id, right }
}

function openAs(w: ScrubWorld, life: Caller): Promise<Stowage> {
  const adapters = Object.fromEntries(Object.entries(w.stores).map(([id, store]) => [id, mortal(store, id, life)]))
  const { catalog } = w
  const wrapped = {
    ...catalog,
    datasets: mortal(catalog.datasets, 'catalog', life),
    sync: mortal(catalog.sync, 'records', life),
  }
  return w.open({ adapters, catalog: wrapped })
}

/** What must hold at any moment: every file can be read, whole and right, from what is there. */
async function check({ w, id }: Damaged, note: string): Promise<void> {
  const reader = await w.open()
  for (const [path, bytes] of Object.entries({ large, small: Buffer.from('small'), other: Buffer.from('other') })) {
    const file = await reader.as({ userType: 'internal' }).datasets.open(id, path)
    const chunks: Uint8Array[] = []
    for await (const chunk of file.stream) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes), `${note}: ${path}`).toBe(true)
  }
  await reader.close()
}

/** Scrubs until nothing is left to do, as processes that come later do. */
async function finish({ w, right }: Damaged, note: string): Promise<void> {
  for (let hour = 0; hour < 6; hour++) {
    w.time.offset += DAY / 2
    const stowage = await w.open()
    await stowage.scrub()
    await stowage.close()
  }
  expect(await w.catalog.datasets.listDamage(), note).toEqual([])
  for (const [store, objects] of right) {
    const now = await contents(store)
    expect([...now.keys()], note).toEqual([...objects.keys()])
    for (const [key, bytes] of objects) {
      expect(now.get(key)?.equals(bytes), `${note}: ${key}`).toBe(true)
      expect(await store.multipart.list(key), `${note}: ${key}`).toEqual([])
    }
  }
  expect(await w.catalog.sync.list('scrub/mend/'), note).toEqual([])
  expect(await w.catalog.sync.list('scrub/suspect/'), note).toEqual([])
}

/** Calls to die at: every one at full size, else some, in another place with another seed. */
function* calls(step: number): Generator<number> {
  const random = seededRandom(testSeed())
  for (let n = 1; ; n += 1 + Math.floor(random.next() * 2 * (step - 1))) yield n
}

describe.each([
  ['before the call has an effect', false],
  ['after it had one', true],
] as const)('a scrub that is killed at any call, %s', (_, effect) => {
  it(
    'leaves nothing worse, and the next ones mend the rest',
    async () => {
      let died = 0
      const step = runs(60, 1)
      for (const n of calls(step)) {
        const d = await damaged()
        const life = new Life(n, effect)
        const first = await openAs(d.w, life).catch((error) => {
          if (!life.dead) throw error
        })
        await first?.scrub().catch((error: unknown) => {
          if (!life.dead) throw error
        })
        await first?.close().catch(() => undefined)
        const note = `killed at call ${n}: ${life.last}`
        await check(d, note)
        await finish(d, note)
        await d.w.catalog.close()
        if (!life.dead) break
        died++
      }
      expect(died).toBeGreaterThan(150 / step)
    },
    timeoutMs,
  )
})

describe.each([
  ['before the call has an effect', false],
  ['after it had one', true],
] as const)('a mend that is killed at any call of its upload, %s', (_, effect) => {
  it(
    'leaves no unfinished upload for long',
    async () => {
      let left = 0
      for (let n = 1; ; n += runs(4, 1)) {
        const d = await damaged()
        const life = new Life(n, effect, /multipart\.(?!list)|scrub\/mend/)
        const first = await openAs(d.w, life)
        await first.scrub().catch((error: unknown) => {
          if (!life.dead) throw error
        })
        await first.close().catch(() => undefined)
        for (const [store, objects] of d.right) {
          for (const key of objects.keys()) left += (await store.multipart.list(key)).length
        }
        const note = `killed at call ${n}: ${life.last}`
        await check(d, note)
        await finish(d, note)
        await d.w.catalog.close()
        if (!life.dead) break
      }
      // Some of them died while there was one.
      expect(left).toBeGreaterThan(0)
    },
    timeoutMs,
  )
})

it.each(['unavailable', 'access-denied'] as const)(
  '%s at any call of a scrub makes nothing worse, and the next ones mend the rest',
  async (code) => {
    for (const n of calls(runs(150, 3))) {
      const d = await damaged()
      let left = n
      let failed = ''
      const failing: Caller = {
        call: async (name, work) => {
          if (--left !== 0) return work()
          failed = name
          throw new StowageError(code, 'it failed')
        },
      }
      const first = await openAs(d.w, failing).catch(() => undefined)
      await first?.scrub().catch(() => undefined)
      await first?.close()
      const note = `failed at call ${n}: ${failed}`
      await check(d, note)
      await finish(d, note)
      await d.w.catalog.close()
      if (left > 0) break
    }
  },
  timeoutMs,
)

it('rot while a reader reads is never seen by it, and is mended behind its back', async () => {
  const d = await damaged()
  const { w, id } = d
  const reader = await w.open()
  const scrubber = await w.open()
  const file = await reader.as({ userType: 'internal' }).datasets.open(id, 'large')
  const chunks: Uint8Array[] = []
  for await (const chunk of file.stream) {
    chunks.push(chunk)
    await scrubber.scrub()
  }
  expect(Buffer.concat(chunks).equals(large)).toBe(true)
  await reader.close()
  await scrubber.close()
  await finish(d, 'read and scrubbed at once')
})

it('what is uploaded while a scrub runs is not disturbed', async () => {
  const d = await damaged()
  const { w, id } = d
  const writer = await w.open()
  const scrubber = await w.open()
  const cats = await writer.as(ada).datasets.get(id)
  const { draft } = await cats.draft()
  const [, result] = await Promise.all([draft.put('new', Buffer.from('new')), scrubber.scrub()])
  expect(result.bad).toBe(result.mended)
  const { number } = await cats.publish(draft)
  await writer.replicate(id, number, 'b')
  expect(await writer.verifyDataset(id)).toMatchObject({ clean: true, versions: [1, 2] })
})
