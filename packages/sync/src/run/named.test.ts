import { at, type SyncStore } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type Sync, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf } from '../testing/index.ts'

interface World {
  a: FakeAdapter
  b: FakeAdapter
  store: SyncStore
  clock: FakeClock
}

function world(metadata: 'native' | 'none' = 'native'): World {
  const capabilities = { metadata, etagIsMd5: metadata === 'native' }
  const clock = new FakeClock()
  return {
    a: new FakeAdapter({ id: 'a', pageSize: 7, capabilities }),
    b: new FakeAdapter({ id: 'b', pageSize: 7, capabilities }),
    store: memoryStore({ clock }),
    clock,
  }
}

function engine({ store, clock }: World, pid = 1, life?: Life): Sync {
  const random = seededRandom(pid)
  return createSync({
    store: life === undefined ? store : mortal(store, 'store', life),
    clock,
    random,
    owner: fakeOwner(pid),
  })
}

function options({ a, b }: World): SyncOptions {
  return { from: at(a, 'src'), to: at(b, 'dst'), delete: true }
}

const held = (adapter: FakeAdapter, prefix: string): Record<string, string> =>
  Object.fromEntries(Object.entries(adapter.contents()).map(([key, value]) => [key.slice(prefix.length), value]))

/** Whether the target holds what the source holds. */
function expectSame({ a, b }: World): void {
  expect(held(b, 'dst/')).toEqual(held(a, 'src/'))
}

describe('a sync of named keys', () => {
  it('asks for these keys alone, lists nothing, and the ledger has them', async () => {
    const w = world('none')
    for (const { options: fake } of [w.a, w.b]) fake.pageSize = 1000
    for (let i = 0; i < 9000; i++) w.a.seed(`src/k${String(i).padStart(5, '0')}`, `${i}`)
    await engine(w).run(options(w))
    w.a.seed('src/k00007', 'new')
    w.a.seed('src/k00007a', 'more')
    w.a.objects.delete('src/k08000')
    for (const { calls } of [w.a, w.b]) calls.clear()
    let [reads, writes] = [0, 0]
    const counting: SyncStore = {
      ...w.store,
      get: (key) => {
        reads++
        return w.store.get(key)
      },
      put: (...args) => {
        writes++
        return w.store.put(...args)
      },
    }
    const keys = ['k00007', 'k00007a', 'k08000', 'never', 'k00007']
    const result = await engine({ ...w, store: counting }).run({ ...options(w), keys })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 2, deleted: 1, failed: 0, skipped: 0 } })
    expectSame(w)
    // One page, which tells that the source was not emptied.
    expect([w.a.calls.get('list'), w.b.calls.get('list')]).toEqual([1, undefined])
    expect(w.a.calls.get('head')).toBeLessThanOrEqual(6)
    expect([reads < 40, writes < 30]).toEqual([true, true])
    const whole = await engine(w).run(options(w))
    expect(whole).toMatchObject({ objects: { copied: 0, deleted: 0, skipped: 9000 } })
  })

  it('begins a ledger where there is none, deletes nothing before all was seen once, and finds unchanged keys again', async () => {
    const w = world('none')
    w.a.seed('src/x', '1')
    w.b.seed('dst/y', '1')
    const first = await engine(w).run({ ...options(w), keys: ['y'] })
    expect(first).toMatchObject({ status: 'success', objects: { copied: 0, deleted: 0 } })
    expect(await engine(w).run({ ...options(w), keys: ['x'] })).toMatchObject({ objects: { copied: 1 } })
    expect(first.warnings).toEqual(['1 objects were not deleted: no run has looked at everything yet.'])
    expect(await engine(w).run({ ...options(w), keys: ['x'] })).toMatchObject({ objects: { copied: 0, skipped: 1 } })
  })

  it('deletes no more than the share, all runs together, and nothing when the source was emptied', async () => {
    const w = world()
    for (let i = 0; i < 10; i++) w.a.seed(`src/${i}`, `${i}`)
    await engine(w).run(options(w))
    for (let i = 0; i < 5; i++) {
      w.a.objects.delete(`src/${i}`)
      expect(await engine(w).run({ ...options(w), keys: [`${i}`] })).toMatchObject({ objects: { deleted: 1 } })
    }
    w.a.objects.delete('src/5')
    await expect(engine(w).run({ ...options(w), keys: ['5'] })).rejects.toMatchObject({
      code: 'unsafe',
      field: 'maxDeletePercent',
    })
    expect(w.b.objects.has('dst/5')).toBe(true)
    // A run over everything begins to count anew.
    await engine(w).run(options(w))
    expectSame(w)
    w.a.seed('src/x', 'x')
    await engine(w).run({ ...options(w), keys: ['x'] })
    w.a.objects.clear()
    const emptied = { ...options(w), maxDeletePercent: 100, keys: ['x', '6'] }
    await expect(engine(w).run(emptied)).rejects.toMatchObject({ code: 'unsafe', field: 'from' })
    expect(w.b.objects.size).toBe(5)
  })

  it('keeps to filters, leaves what is its own, and refuses a managed root below', async () => {
    const w = world()
    for (const key of ['a.jpg', 'a.tmp', '.stowage/x', 'sub/x']) w.a.seed(`src/${key}`, key)
    const keys = ['a.jpg', 'a.tmp', '.stowage/x']
    await engine(w).run({ ...options(w), keys, exclude: ['*.tmp'] })
    expect(Object.keys(held(w.b, 'dst/'))).toEqual(['a.jpg'])
    w.b.seed('dst/sub/.stowage/root.json', '{}')
    await expect(engine(w).run({ ...options(w), keys: ['sub/x'] })).rejects.toMatchObject({ code: 'unsafe' })
    expect(w.b.objects.has('dst/sub/x')).toBe(false)
    for (const wrong of [{ twoWay: true }, { dryRun: true }, { objects: async function* () {} }])
      await expect(engine(w).run({ ...options(w), keys, ...wrong })).rejects.toMatchObject({ code: 'configuration' })
    await expect(engine(w).run({ ...options(w), keys: [''] })).rejects.toMatchObject({ field: 'keys' })
  })

  it('fails the keys that fail, and the others arrive', async () => {
    const w = world()
    for (const key of ['x', 'y']) w.a.seed(`src/${key}`, key)
    w.a.options.before = ({ operation, key }) => {
      if (operation === 'get' && key === 'src/x') throw Object.assign(new Error('no'), { code: 'x' })
    }
    const result = await engine(w).run({ ...options(w), keys: ['x', 'y'] })
    expect(result).toMatchObject({ status: 'failed', objects: { copied: 1, failed: 1 }, errors: [{ key: 'x' }] })
    expect(held(w.b, 'dst/')).toEqual({ y: 'y' })
  })

  it.for([['native'], ['none']] as const)(
    'in the middle of a run over everything, which goes on from where it stood (metadata %s)',
    async ([metadata]) => {
      const w = world(metadata)
      for (let i = 0; i < 40; i++) w.a.seed(`src/${String(i).padStart(2, '0')}`, `${i}`)
      const stop = new AbortController()
      let puts = 0
      w.b.options.before = ({ operation }) => {
        if (operation === 'put' && ++puts === 20) stop.abort()
      }
      const paused = await engine(w).run({ ...options(w), concurrency: 1, signal: stop.signal })
      expect(paused.status).toBe('paused')
      for (const key of ['03', '37']) w.a.seed(`src/${key}`, 'new')
      w.a.objects.delete('src/05')
      w.b.options.before = () => undefined
      const named = await engine(w).run({ ...options(w), keys: ['03', '37', '05', '38'] })
      expect(named).toMatchObject({ status: 'success', objects: { copied: 3, deleted: 1 } })
      w.b.bytesIn = 0
      const rest = await engine(w).run(options(w))
      expect(rest).toMatchObject({ status: 'success', taskId: paused.taskId })
      expectSame(w)
      expect(rest.objects.copied + paused.objects.copied).toBe(38)
      expect(await engine(w).run(options(w))).toMatchObject({ objects: { copied: 0, skipped: 39 } })
    },
  )
})

/** What happens to a source: an edit, an event that is told (perhaps twice, late, or of a key that nothing happened to), a look at everything. */
const history = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ put: fc.nat(11), text: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat(11) }) },
    { weight: 4, arbitrary: fc.record({ told: fc.uniqueArray(fc.nat(12), { minLength: 1, maxLength: 5 }) }) },
    { weight: 1, arbitrary: fc.constant({ all: true }) },
    { weight: 1, arbitrary: fc.record({ killed: fc.nat(60), effect: fc.boolean(), keys: fc.uniqueArray(fc.nat(12)) }) },
    { weight: 1, arbitrary: fc.record({ paused: fc.integer({ min: 1, max: 30 }), effect: fc.boolean() }) },
  ),
  { maxLength: 25 },
)

const name = (i: number): string => `${'abc'[i % 3]}/${i}`

describe('histories of events that are lost, doubled and out of order', () => {
  it.for([['native'], ['none']] as const)(
    'end as they should once all is looked at (metadata %s)',
    async ([metadata]) => {
      await fc.assert(
        fc.asyncProperty(history, async (steps) => {
          const w = world(metadata)
          const all = { ...options(w), maxDeletePercent: 100, allowEmpty: true }
          let pid = 1
          const untilDeath = async (calls: number, effect: boolean, more: Partial<SyncOptions>): Promise<void> => {
            const life = new Life(calls, effect)
            Object.assign(w.a.options, hooksOf(life))
            Object.assign(w.b.options, hooksOf(life))
            await engine(w, ++pid, life)
              .run({ ...all, ...more })
              .catch(() => undefined)
            for (const { options: hooks } of [w.a, w.b]) Object.assign(hooks, { before: undefined, after: undefined })
          }
          w.a.seed('src/kept', 'kept')
          await engine(w).run(all)
          for (const step of steps) {
            if ('put' in step) w.a.seed(`src/${name(step.put)}`, `${step.text}`)
            else if ('remove' in step) w.a.objects.delete(`src/${name(step.remove)}`)
            else if ('all' in step) await engine(w, ++pid).run(all)
            else if ('paused' in step) await untilDeath(step.paused, step.effect, {})
            else if ('killed' in step) await untilDeath(step.killed, step.effect, { keys: step.keys.map(name) })
            else {
              const result = await engine(w, ++pid).run({ ...all, keys: step.told.map(name) })
              expect(result.objects.failed).toBe(0)
              // What was told is as it is at the source.
              for (const i of step.told)
                expect(w.b.objects.get(`dst/${name(i)}`)?.bytes).toEqual(w.a.objects.get(`src/${name(i)}`)?.bytes)
            }
          }
          expect((await engine(w, ++pid).run(all)).status).toBe('success')
          expectSame(w)
          expect(await engine(w, ++pid).run(all)).toMatchObject({ objects: { copied: 0, deleted: 0 } })
          expect(w.b.uploads.size).toBe(0)
        }),
        { numRuns: repeats(60, 2000) },
      )
    },
  )
})
