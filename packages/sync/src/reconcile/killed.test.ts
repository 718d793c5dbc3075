import { at, type SyncStore } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf, patterned } from '../testing/index.ts'

const partSize = 1000

/** Every call is one to be killed at, at full level. */
const step = repeats(3, 1)

interface World {
  a: FakeAdapter
  b: FakeAdapter
  store: SyncStore
}

/** Two sides that agreed once, and were both changed since. */
async function world(metadata: 'native' | 'none'): Promise<World> {
  const capabilities = { metadata, etagIsMd5: metadata === 'native' } as const
  const a = new FakeAdapter({ id: 'a', pageSize: 4, capabilities })
  const b = new FakeAdapter({ id: 'b', pageSize: 4, capabilities })
  const w = { a, b, store: memoryStore({ clock: new FakeClock() }) }
  for (const key of ['edit-a', 'edit-b', 'gone-a', 'gone-b', 'both', 'keep']) a.seed(`src/${key}`, `old ${key}`)
  await attempt(w, Number.POSITIVE_INFINITY, true, 0)
  a.seed('src/edit-a', 'new here')
  b.seed('dst/edit-b', 'new there')
  a.objects.delete('src/gone-a')
  b.objects.delete('dst/gone-b')
  a.seed('src/both', 'ours')
  b.seed('dst/both', 'theirs')
  a.seed('src/big-a', patterned(2500, 1))
  b.seed('dst/big-b', patterned(2500, 2))
  return w
}

async function attempt(
  { a, b, store }: World,
  calls: number,
  effect: boolean,
  pid: number,
  more: Partial<SyncOptions> = {},
) {
  const life = new Life(calls, effect)
  Object.assign(a.options, hooksOf(life))
  Object.assign(b.options, hooksOf(life))
  const sync = createSync({
    store: mortal(store, 'store', life),
    clock: new FakeClock(),
    random: seededRandom(pid),
    owner: fakeOwner(pid),
  })
  const run = sync.run({ from: at(a, 'src'), to: at(b, 'dst'), twoWay: true, partSize, concurrency: 3, ...more })
  const ended = await run.then(
    (result) => ({ result, error: undefined }),
    (error: unknown) => ({ result: undefined, error }),
  )
  Object.assign(a.options, { before: undefined, after: undefined })
  Object.assign(b.options, { before: undefined, after: undefined })
  if (!life.dead && ended.error !== undefined) throw ended.error
  return { ...ended, dead: life.dead, last: life.last }
}

const forEver = Number.POSITIVE_INFINITY

function bare({ a, b }: World): [Record<string, string>, Record<string, string>] {
  const cut = (side: FakeAdapter) =>
    Object.fromEntries(Object.entries(side.contents()).map(([key, text]) => [key.slice(4), text]))
  return [cut(a), cut(b)]
}

/** Nothing but the pair's own state and one chunk of ledger. */
async function isTidy({ a, b, store }: World, note: string): Promise<void> {
  expect([a.uploads.size, b.uploads.size], note).toEqual([0, 0])
  const kinds = (await store.list('pair/')).map((key) => key.split('/')[2])
  expect(kinds, note).toEqual(['ledger', 'state'])
}

describe.each(['native', 'none'] as const)('a two-way sync that is killed, metadata %s', (metadata) => {
  it.each([false, true])(
    'at any moment is brought to the same end by the next run (the call had an effect: %s)',
    async (effect) => {
      const never = await world(metadata)
      await attempt(never, forEver, true, 1)
      const [expected] = bare(never)
      expect(Object.keys(expected)).toHaveLength(7)
      for (let n = 1; ; n += step) {
        const w = await world(metadata)
        const first = await attempt(w, n, effect, 1)
        if (!first.dead) {
          expect(n).toBeGreaterThan(80)
          break
        }
        const note = `killed at call ${n}: ${first.last}`
        const { result } = await attempt(w, forEver, true, 2)
        expect(result, note).toMatchObject({ status: 'success', objects: { failed: 0 } })
        const [inA, inB] = bare(w)
        expect(inA, note).toEqual(expected)
        expect(inB, note).toEqual(expected)
        const third = await attempt(w, forEver, true, 3)
        expect(third.result, note).toMatchObject({ objects: { copied: 0, skipped: 7, deleted: 0, conflicts: 0 } })
        await isTidy(w, note)
      }
    },
  )

  it.each([false, true])(
    'and then edited on the side that it copied from, takes its own write for no edit (effect: %s)',
    async (effect) => {
      for (let n = 1; ; n += step) {
        const w = await world(metadata)
        const first = await attempt(w, n, effect, 1)
        if (!first.dead) break
        const note = `killed at call ${n}: ${first.last}`
        w.a.seed('src/edit-a', 'newer here')
        w.b.seed('dst/edit-b', 'newer there')
        w.a.seed('src/big-a', patterned(2600, 3))
        w.b.objects.delete('dst/big-b')
        const { result } = await attempt(w, forEver, true, 2)
        expect(result?.status, note).toBe('success')
        expect(result?.objects.conflicts, note).toBeLessThanOrEqual(1)
        const [inA, inB] = bare(w)
        expect(inB, note).toEqual(inA)
        expect(inA, note).toMatchObject({ 'edit-a': 'newer here', 'edit-b': 'newer there' })
        expect(Buffer.compare(Buffer.from(inA['big-a'] ?? '', 'latin1'), patterned(2600, 3)), note).toBe(0)
        expect(
          Object.keys(inA).filter((key) => key.includes('.conflict-')),
          note,
        ).toHaveLength(1)
        // Its only copy was deleted, or it had gone over and was deleted from both.
        expect(inA, note).not.toHaveProperty('big-b')
        await isTidy(w, note)
      }
    },
  )

  it.each([false, true])(
    'and then made anew where it was deleted, does not delete it again (effect: %s)',
    async (effect) => {
      for (let n = 1; ; n += step) {
        const w = await world(metadata)
        const first = await attempt(w, n, effect, 1)
        if (!first.dead) break
        const note = `killed at call ${n}: ${first.last}`
        // With MD5s for etags these look as if they had never been away.
        w.a.seed('src/gone-a', 'old gone-a')
        w.b.seed('dst/gone-b', 'old gone-b')
        const { result } = await attempt(w, forEver, true, 2)
        expect(result, note).toMatchObject({ status: 'success', objects: { deleted: 0 } })
        const [inA, inB] = bare(w)
        expect(inB, note).toEqual(inA)
        expect(inA, note).toMatchObject({ 'gone-a': 'old gone-a', 'gone-b': 'old gone-b' })
      }
    },
  )

  it('again and again, comes to its end, and each conflict is kept once', async () => {
    for (const pace of [7, 11, 23, 31]) {
      const w = await world(metadata)
      let runs = 0
      for (let calls = pace; ; calls += pace) {
        const { dead, result } = await attempt(w, calls, runs % 2 === 0, ++runs)
        if (dead) continue
        expect(result?.status).toBe('success')
        break
      }
      const [inA, inB] = bare(w)
      expect(inB).toEqual(inA)
      expect(Object.keys(inA)).toHaveLength(7)
      await isTidy(w, `by ${pace}`)
    }
  })
})
