import { at, checkKey, compareKeys, portablePathRules, StowageError, type SyncStore, s3KeyRules } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore, type SyncOptions, type SyncResult } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf, ledgerOf, patterned, runAs } from '../testing/index.ts'

/** Works while time passes; an error is the result. */
async function passes<T>(clock: FakeClock, work: Promise<T>): Promise<T | StowageError> {
  let ended = false
  const end = (): void => {
    ended = true
  }
  work.then(end, end)
  for (let i = 0; i < 5000 && !ended; i++) await clock.advance(250)
  return await work.catch((error: StowageError) => error)
}

const hardKey = fc
  .string({ unit: fc.constantFrom('a', 'a', 'b', '/', '/', '-', '.x', '\u{1f600}'), minLength: 1, maxLength: 7 })
  .filter(
    (key) =>
      checkKey(`dst/${key}`, s3KeyRules) === undefined && checkKey(`dst/${key}`, portablePathRules) === undefined,
  )
const sides = fc.array(
  fc.record({ key: hardKey, source: fc.boolean(), target: fc.boolean(), size: fc.integer({ min: 1, max: 4 }) }),
  {
    minLength: 5,
    maxLength: 60,
    size: 'max',
  },
)

describe('a target that cannot hold a file beside a folder of its name', () => {
  const world = fc.record({
    objects: sides,
    delete: fc.boolean(),
    maxDeletePercent: fc.constantFrom(100, 50, 20),
    minSize: fc.constantFrom(undefined, 3),
    afterKeys: fc.integer({ min: 1, max: 6 }),
    lanes: fc.constantFrom(2, 3),
    pageSize: fc.integer({ min: 1, max: 5 }),
  })
  it('ends up the same by partitions as by one walk', async () => {
    await fc.assert(
      fc.asyncProperty(world, async ({ objects, afterKeys, lanes, pageSize, ...wish }) => {
        const ends = []
        for (const many of [1, lanes]) {
          const clock = new FakeClock()
          const a = new FakeAdapter({ id: 'a', pageSize })
          const b = new FakeAdapter({ id: 'b', pageSize })
          Object.assign(b, {
            capabilities: { ...b.capabilities, keys: { ...b.capabilities.keys, objectAndFolder: false } },
          })
          // The walk is to last until it is divided; what asks for borders is quick.
          const list = a.list.bind(a)
          a.list = async function* (given) {
            for await (const page of list(given)) {
              if (given?.pageSize !== 1) await clock.sleep(500)
              yield page
            }
          }
          const held = new Set<string>()
          for (const { key, source, target, size } of objects) {
            if (source) a.seed(`src/${key}`, 'x'.repeat(size))
            const place = [...held].every((other) => !other.startsWith(`${key}/`) && !key.startsWith(`${other}/`))
            if (target && place) {
              held.add(key)
              b.seed(`dst/${key}`, 'old!')
            }
          }
          const { minSize, ...others } = wish
          const options = {
            from: at(a, 'src'),
            to: at(b, 'dst'),
            lanes: many,
            ...others,
            ...(minSize === undefined ? {} : { minSize }),
          }
          const worker = {
            store: memoryStore({ clock }),
            clock,
            owner: fakeOwner(1),
            random: seededRandom(1),
            afterKeys,
          }
          const result = await passes(clock, runAs(worker, options))
          const ended =
            result instanceof StowageError ? { code: result.code } : { status: result.status, objects: result.objects }
          ends.push({ ...ended, contents: b.contents() })
        }
        expect(ends[1]).toEqual(ends[0])
      }),
      { numRuns: repeats(60, 2000) },
    )
  }, 600_000)
})

/** A store that loses answers, or does not get to work, now and then. */
function shaky(store: SyncStore, every: number, effect: boolean): SyncStore {
  let calls = 0
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    const fails = ++calls % every === 0
    if (fails && !effect) throw new StowageError('unavailable', 'Not now.')
    const result = await work()
    if (fails) throw new StowageError('timeout', 'The answer was lost.')
    return result
  }
  return {
    now: () => call(() => store.now()),
    get: (key) => call(() => store.get(key)),
    put: (key, value, expected) => call(() => store.put(key, value, expected)),
    delete: (key, expected) => call(() => store.delete(key, expected)),
    list: (prefix, options) => call(() => store.list(prefix, options)),
    close: () => store.close(),
  }
}

describe('workers that share a task of objects in parts', () => {
  const world = fc.record({
    lives: fc.array(fc.record({ calls: fc.integer({ min: 30, max: 900 }), effect: fc.boolean() }), { maxLength: 5 }),
    workers: fc.constantFrom(1, 2, 3),
    every: fc.constantFrom(7, 13, 1_000_000),
    effect: fc.boolean(),
    remote: fc.boolean(),
    long: fc.boolean(),
  })
  it('leave no upload behind and lose no key, whoever dies and whatever answers are lost', async () => {
    await fc.assert(
      fc.asyncProperty(world, async ({ lives, workers, every, effect, remote, long }) => {
        const clock = new FakeClock()
        const store = memoryStore({ clock })
        const a = new FakeAdapter({ id: 'a' })
        const b = new FakeAdapter({ id: 'b' })
        const prefix = long ? `${'\u{1f600}'.repeat(200)}\u{ffff}` : ''
        for (let i = 0; i < 60; i++)
          a.seed(`src/${prefix}${String(i).padStart(3, '0')}`, patterned(i % 3 === 0 ? 3500 : 20, i))
        for (let i = 0; i < 5; i++) b.seed(`dst/${prefix}${String(i * 9).padStart(3, '0')}-extra`, 'x')
        const alive = new Set<number>()
        const line = [...lives]
        let pid = 0
        const live = async (me: number, life: Life): Promise<SyncResult | undefined> => {
          const mine = { pageSize: 5, ...hooksOf(life) }
          const options: SyncOptions = {
            from: at(new FakeAdapter({ id: 'a', sameAs: a, ...mine }), 'src'),
            to: at(new FakeAdapter({ id: 'b', sameAs: b, ...mine }), 'dst'),
            delete: true,
            maxDeletePercent: 100,
            partSize: 1000,
            lanes: 2,
            concurrency: 3,
            join: true,
          }
          const owner = fakeOwner(me, (other) => remote || alive.has(other))
          alive.add(me)
          try {
            for (;;) {
              const worker = {
                store: mortal(shaky(store, every, effect), 'store', life),
                clock,
                owner,
                random: seededRandom(me),
              }
              const result = await runAs(worker, options)
              if (result.status !== 'helped') return result
              await clock.sleep(1000)
            }
          } catch (error) {
            if (!life.dead) throw error
            return undefined
          } finally {
            alive.delete(me)
          }
        }
        const process = async (): Promise<(SyncResult | undefined)[]> => {
          const results = []
          for (let one = line.shift(); one !== undefined; one = line.shift())
            results.push(await live(++pid, new Life(one.calls, one.effect)))
          results.push(await live(++pid, new Life(Number.POSITIVE_INFINITY, true)))
          return results
        }
        const results = await passes(clock, Promise.all(Array.from({ length: workers }, process)))
        if (results instanceof Error) throw results
        for (const result of results.flat())
          if (result !== undefined) expect(result).toMatchObject({ status: 'success', errors: [] })
        const bare = (side: FakeAdapter) => Object.entries(side.contents()).map(([key, text]) => [key.slice(4), text])
        expect(bare(b)).toEqual(bare(a))
        expect(b.uploads.size).toBe(0)
        expect((await ledgerOf(store, clock, a, b)).map(({ key }) => key)).toEqual(
          bare(a)
            .map(([key]) => key)
            .sort((x, y) => compareKeys(x ?? '', y ?? '')),
        )
        expect((await store.list('pair/')).filter((key) => /\/(part|wish|upload)\//.test(key))).toEqual([])
      }),
      { numRuns: repeats(15, 400) },
    )
  }, 600_000)
})
