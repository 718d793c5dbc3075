import { at, type SyncStore } from '@stowage/core'
import { FakeClock, Life, mortal, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type Owner, type SyncOptions } from '../index.ts'
import { FakeAdapter, hooksOf } from '../testing/index.ts'

function owner(pid: number): Owner {
  const identity = { host: 'h', bootId: 'b', pid, startTime: '1' }
  return { identity, isDead: (other) => other.pid !== pid }
}

function bytes(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255)
}

const partSize = 1000

interface World {
  a: FakeAdapter
  b: FakeAdapter
  store: SyncStore
}

function world(metadata: 'native' | 'none'): World {
  const a = new FakeAdapter({ id: 'a', pageSize: 3 })
  const b = new FakeAdapter({ id: 'b', pageSize: 3, capabilities: { metadata, etagIsMd5: metadata === 'native' } })
  for (let i = 0; i < 6; i++) a.seed(`src/small-${i}`, bytes(100 + i, i))
  a.seed('src/big-1', bytes(5 * partSize + 1, 1))
  a.seed('src/zz-big', bytes(3 * partSize, 2))
  for (const extra of ['extra-1', 'small-99']) b.seed(`dst/${extra}`, 'x')
  return { a, b, store: memoryStore({ clock: new FakeClock() }) }
}

async function attempt({ a, b, store }: World, life: Life, pid: number, options: Partial<SyncOptions> = {}) {
  Object.assign(a.options, hooksOf(life))
  Object.assign(b.options, hooksOf(life))
  const sync = createSync({
    store: mortal(store, 'store', life),
    clock: new FakeClock(),
    random: seededRandom(pid),
    owner: owner(pid),
  })
  return await sync.run({
    from: at(a, 'src'),
    to: at(b, 'dst'),
    partSize,
    delete: true,
    maxDeletePercent: 100,
    concurrency: 3,
    ...options,
  })
}

const dst = (b: FakeAdapter): Record<string, string> =>
  Object.fromEntries(Object.entries(b.contents()).map(([key, value]) => [key.replace('dst/', 'src/'), value]))

describe.each([
  ['a target that keeps metadata', 'native'],
  ['a target that keeps none', 'none'],
] as const)('killed at any moment, with %s', (_, metadata) => {
  it.each([
    ['before the call has an effect', false],
    ['after it had one', true],
  ] as const)('%s, the next run brings it to the same end', async (_, effect) => {
    let died = 0
    for (let n = 1; ; n++) {
      const w = world(metadata)
      const life = new Life(n, effect)
      let ended = false
      try {
        await attempt(w, life, 1)
        ended = !life.dead
      } catch (error) {
        expect(life.dead, `call ${n}: ${error}`).toBe(true)
      }
      if (ended) break
      died++
      const sentBefore = w.b.bytesIn
      const note = `killed at call ${n}: ${life.last}`
      const result = await attempt(w, new Life(Number.POSITIVE_INFINITY, true), 2).catch((error: unknown) => {
        throw new Error(`${note}: ${error}`, { cause: error })
      })
      expect(result.status, note).toBe('success')
      expect(dst(w.b), note).toEqual(w.a.contents())
      expect(w.b.uploads.size, note).toBe(0)
      expect(await w.store.list('pair/').then((keys) => keys.filter((key) => key.includes('/upload/'))), note).toEqual(
        [],
      )
      // All of it is sent once, and what was in flight, or nobody could tell of, once more.
      const total = Object.values(w.a.contents()).reduce((sum, text) => sum + text.length, 0)
      expect(w.b.bytesIn - total, note).toBeLessThanOrEqual(3 * partSize + 700)
      expect(sentBefore, note).toBeLessThanOrEqual(total)
      const third = await attempt(w, new Life(Number.POSITIVE_INFINITY, true), 3)
      expect(third, note).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 8, deleted: 0 } })
      const ledger = await w.store.list('pair/')
      expect(ledger.filter((key) => key.includes('/ledger/')).length, note).toBe(1)
    }
    expect(died).toBeGreaterThan(80)
  })
})
