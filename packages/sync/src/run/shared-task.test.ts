import { at, checkKey, compareKeys, s3KeyRules } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore, type SyncResult } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf, ledgerOf, patterned, runAs } from '../testing/index.ts'

/** Keys of the kinds that are hard to divide: numbers at the end of long prefixes, one prefix for nearly all, any characters. */
const keySets = fc.oneof(
  fc
    .record({
      prefix: fc.constantFrom('', 'a', 'deep/down/', 'x'.repeat(60)),
      count: fc.integer({ min: 20, max: 120 }),
    })
    .map(({ prefix, count }) => Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(6, '0')}`)),
  fc
    .array(
      fc.string({
        unit: fc.constantFrom('a', 'b', '/', '-', '~', 'é', '漢', '\u{1f600}', '\u{ffff}', ' '),
        minLength: 1,
        maxLength: 8,
      }),
      {
        minLength: 20,
        maxLength: 100,
      },
    )
    .map((keys) => keys.filter((key) => checkKey(`dst/${key}`, s3KeyRules) === undefined)),
  fc
    .array(fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }), { minLength: 20, maxLength: 80 })
    .map((keys) => keys.filter((key) => key.isWellFormed() && checkKey(`dst/${key}`, s3KeyRules) === undefined)),
  fc.array(fc.uuid(), { minLength: 30, maxLength: 120 }),
)

interface Span {
  calls: number
  effect: boolean
}

interface World {
  keys: string[]
  lives: Span[]
  workers: number
  lanes: number
  afterKeys: number
  extras: number
  /** Whether an earlier sync left a ledger. */
  known: boolean
  /** Whether the workers are on other machines: then a dead one's leases have to run out. */
  remote: boolean
}

/** Workers that share one task, each in a process of its own that is killed at some call; when all are dead, one more comes. */
async function share(world: World): Promise<void> {
  const { keys, lives, workers, lanes, afterKeys, extras, known, remote } = world
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  const unique = [...new Set(keys)]
  for (const [i, key] of unique.entries()) a.seed(`src/${key}`, patterned(20 + (i % 5), i))
  if (known) {
    const first = { store, clock, owner: fakeOwner(999), random: seededRandom(999), afterKeys }
    await runAs(first, { from: at(a, 'src'), to: at(b, 'dst'), lanes })
    for (const [i, key] of unique.entries()) if (i % 9 === 0) a.seed(`src/${key}`, patterned(40, i))
  }
  for (let i = 0; i < extras; i++) b.seed(`dst/${unique[i] ?? ''}extra`, 'x')
  const alive = new Set<number>()
  const before = b.calls.get('put') ?? 0
  let allowed = 0
  const live = async (pid: number, life: Life): Promise<SyncResult | undefined> => {
    const mine = { pageSize: 5, ...hooksOf(life) }
    const from = at(new FakeAdapter({ id: 'a', sameAs: a, ...mine }), 'src')
    const target = new FakeAdapter({ id: 'b', sameAs: b, ...mine })
    const owner = fakeOwner(pid, (other) => remote || alive.has(other))
    const options = {
      from,
      to: at(target, 'dst'),
      delete: true,
      maxDeletePercent: 100,
      lanes,
      concurrency: 3,
      join: true,
    }
    alive.add(pid)
    try {
      for (;;) {
        const result = await runAs(
          { store: mortal(store, 'store', life), clock, owner, random: seededRandom(pid), afterKeys },
          options,
        )
        if (result.status !== 'helped') return result
        await clock.sleep(1000)
      }
    } catch (error) {
      if (!life.dead) throw error
      return undefined
    } finally {
      alive.delete(pid)
      b.calls.set('put', (b.calls.get('put') ?? 0) + (target.calls.get('put') ?? 0))
    }
  }
  let pid = 0
  const line = [...lives]
  const results: (SyncResult | undefined)[] = []
  const process = async (): Promise<void> => {
    for (let life = line.shift(); life !== undefined; life = line.shift()) {
      const result = await live(++pid, new Life(life.calls, life.effect))
      if (result !== undefined) return void results.push(result)
      // What a lane had in flight, and what the ledger had not heard of yet.
      allowed += 3 * lanes
    }
    results.push(await live(++pid, new Life(Number.POSITIVE_INFINITY, true)))
  }
  let ended = false
  const all = Promise.all(Array.from({ length: workers }, process)).finally(() => {
    ended = true
  })
  all.catch(() => undefined)
  for (let i = 0; i < 5000 && !ended; i++) await clock.advance(250)
  await all
  for (const result of results) expect(result?.status).toBe('success')
  const copies = Object.fromEntries(Object.entries(b.contents()).map(([key, text]) => [key.slice(4), text]))
  expect(copies).toEqual(Object.fromEntries(Object.entries(a.contents()).map(([key, text]) => [key.slice(4), text])))
  const etag = (side: FakeAdapter, key: string) => {
    const { etag, size } = side.objects.get(key)?.info ?? { etag: '', size: -1 }
    return { etag, size }
  }
  const ledger = await ledgerOf(store, clock, a, b)
  expect(ledger.map(({ key, source, target }) => ({ key, source, target }))).toEqual(
    unique.sort(compareKeys).map((key) => ({ key, source: etag(a, `src/${key}`), target: etag(b, `dst/${key}`) })),
  )
  expect((await store.list('pair/')).filter((key) => /\/(part|wish|upload)\//.test(key))).toEqual([])
  const changed = known ? unique.filter((_, i) => i % 9 === 0).length : unique.length
  expect((b.calls.get('put') ?? 0) - before).toBeLessThanOrEqual(changed + allowed)
}

describe('workers that share a task', () => {
  it('bring it to the end of a single one, whoever dies, and copy nothing twice but what was in flight', async () => {
    const world = fc.record({
      keys: keySets,
      lives: fc.array(fc.record({ calls: fc.integer({ min: 1, max: 250 }), effect: fc.boolean() }), { maxLength: 6 }),
      workers: fc.constantFrom(1, 2, 4),
      lanes: fc.constantFrom(2, 4),
      afterKeys: fc.constantFrom(5, 15, 40),
      extras: fc.integer({ min: 0, max: 10 }),
      known: fc.boolean(),
      remote: fc.boolean(),
    })
    await fc.assert(fc.asyncProperty(world, share), { numRuns: repeats(25, 600) })
  }, 600_000)
})
