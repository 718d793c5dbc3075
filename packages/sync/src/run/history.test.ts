import { at, StowageError } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore, type SyncOptions, type SyncResult } from '../index.ts'
import { Ailing, FakeAdapter, fakeOwner, type OneWayWish, oneWayEnd, runAs } from '../testing/index.ts'

const keys = ['a', 'a.tmp', 'a/b', 'c', 'd/e.tmp', 'd/f'] as const
const partSize = 1000

const side = fc.constantFrom('a' as const, 'b' as const)
const key = fc.constantFrom(...keys)
const edit = fc.oneof(
  // All small ones are of one size, and all large ones too.
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), side, key, large: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), side, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('touch' as const), side, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('same' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('empty' as const), side }) },
)
/** At which call of anything outside something happens. */
const call = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 200 }))
const adapterCall = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 50 }))
const disturbance = fc.oneof(
  fc.record({ how: fc.constant('killed' as const), call, effect: fc.boolean() }),
  fc.record({
    how: fc.constant('killed at a write' as const),
    call: fc.integer({ min: 1, max: 5 }),
    effect: fc.boolean(),
  }),
  fc.record({ how: fc.constant('listing fails' as const), side, page: fc.integer({ min: 0, max: 8 }) }),
  fc.record({ how: fc.constant('object fails' as const), side, key }),
  fc.record({ how: fc.constant('store fails' as const), call, effect: fc.boolean() }),
  fc.record({ how: fc.constant('edited meanwhile' as const), side, call: adapterCall, gone: fc.boolean() }),
  // Each write takes five seconds, the limit is one.
  fc.record({ how: fc.constant('time limit' as const) }),
)
/** What costs an undisturbed sync time and nothing else: two failures, before or after a call has its effect. */
const hiccups = fc.array(
  fc.record({
    call: adapterCall,
    effect: fc.boolean(),
    code: fc.constantFrom('unavailable' as const, 'timeout' as const, 'throttled' as const),
  }),
  { maxLength: 2 },
)
const filter = fc.constantFrom('none' as const, 'no tmp' as const, 'only d/' as const, 'only large' as const)
const wish = fc.record({
  delete: fc.boolean(),
  maxDeletePercent: fc.constantFrom(100, 100, 50, 20),
  allowEmpty: fc.boolean(),
  checksum: fc.boolean(),
  filter: fc.oneof({ weight: 3, arbitrary: fc.constant('none' as const) }, { weight: 1, arbitrary: filter }),
})
const sync = fc.record({
  do: fc.constant('sync' as const),
  wish,
  disturbed: fc.option(disturbance, { nil: undefined, freq: 2 }),
  hiccups,
})
const steps = fc.array(fc.oneof({ weight: 3, arbitrary: edit }, { weight: 1, arbitrary: sync }), {
  minLength: 8,
  maxLength: 40,
  size: 'max',
})
const setting = fc.record({
  contentsTell: fc.boolean(),
  conditions: fc.boolean(),
  pageSize: fc.integer({ min: 1, max: 5 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  /** Keys after which the key space is divided into partitions. */
  divided: fc.constantFrom(1, 2, 4, 1_000_000),
})

type Of<A> = A extends fc.Arbitrary<infer T> ? T : never
type Step = Of<typeof steps>[number]
type Setting = Of<typeof setting>
type Wish = Of<typeof wish>
type Disturbance = Of<typeof disturbance>
type Hiccups = Of<typeof hiccups>
type SideName = 'a' | 'b'

const filters: Record<Wish['filter'], Pick<OneWayWish, 'takesKey' | 'takesSize'> & { options: Partial<SyncOptions> }> =
  {
    none: { takesKey: () => true, takesSize: () => true, options: {} },
    'no tmp': { takesKey: (name) => !name.endsWith('.tmp'), takesSize: () => true, options: { exclude: ['*.tmp'] } },
    'only d/': { takesKey: (name) => name.startsWith('d/'), takesSize: () => true, options: { include: ['/d/'] } },
    'only large': { takesKey: () => true, takesSize: (size) => size >= 500, options: { minSize: 500 } },
  }

const forEver = (): Life => new Life(Number.POSITIVE_INFINITY, true)

class World {
  readonly #setting: Setting
  readonly #sides: Record<SideName, FakeAdapter>
  readonly #store = memoryStore({ clock: new FakeClock() })
  /** Filters with which a run did not end in success since: what it brought is not for a simple model to know. */
  readonly #unsure = new Set<Wish['filter']>()
  /** Everything that either side ever held under a key. */
  readonly #ever = new Map<string, Set<string>>()
  #texts = 0
  #runs = 0

  constructor(setting: Setting) {
    this.#setting = setting
    const { contentsTell, conditions, pageSize } = setting
    const make = (id: SideName) =>
      new FakeAdapter({
        id,
        pageSize,
        capabilities: {
          etagIsMd5: contentsTell,
          metadata: contentsTell ? 'native' : 'none',
          ...(conditions
            ? {}
            : {
                conditional: {
                  get: true,
                  putCreateOnly: false,
                  putIfMatch: false,
                  completeCreateOnly: false,
                  completeIfMatch: false,
                  deleteIfMatch: false,
                },
              }),
        },
      })
    this.#sides = { a: make('a'), b: make('b') }
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'put') this.#put(step.side, step.key, this.#text(step.large))
    else if (step.do === 'delete') this.#sides[step.side].objects.delete(step.key)
    else if (step.do === 'empty') this.#sides[step.side].objects.clear()
    else if (step.do === 'touch') {
      const text = this.#sides[step.side].contents()[step.key]
      if (text !== undefined) this.#put(step.side, step.key, text)
    } else if (step.do === 'same') {
      const text = this.#text(false)
      this.#put('a', step.key, text)
      this.#put('b', step.key, text)
    } else if (step.disturbed === undefined) await this.#undisturbed(step.wish, step.hiccups)
    else await this.#disturbed(step.wish, step.disturbed)
  }

  /** In the end the target is as the source, nothing is left behind, and another run finds nothing to do. */
  async settle(): Promise<void> {
    const wish = { delete: true, maxDeletePercent: 100, allowEmpty: true, checksum: false } as const
    for (const filter of ['no tmp', 'only d/', 'only large', 'none'] as const) {
      // Each filter has uploads and a ledger of its own.
      await this.#undisturbed({ ...wish, filter }, [])
    }
    const { a, b } = this.#sides
    expect(b.contents()).toEqual(a.contents())
    expect(b.uploads.size).toBe(0)
    const left = (await this.#store.list('pair/')).filter((record) => /\/(intent|upload)\//.test(record))
    expect(left).toEqual([])
  }

  /** A run must lead to what the model says, however often a request has to be repeated. */
  async #undisturbed(wish: Wish, hiccups: Hiccups): Promise<void> {
    const { a, b } = this.#sides
    if (this.#unsure.has(wish.filter) && this.#setting.divided < keys.length) {
      // What an earlier run walked over in partitions of its own is not looked at once more by the run that brings its task to an end. But
      // it never empties the target when the source is empty by now.
      const before = Object.keys(b.contents())
      await this.#run(wish, forEver())
      const isEmpty = !Object.keys(a.contents()).some(filters[wish.filter].takesKey)
      if (isEmpty && !wish.allowEmpty) expect(Object.keys(b.contents())).toEqual(expect.arrayContaining(before))
    }
    const expected = oneWayEnd(a.contents(), b.contents(), { ...wish, ...filters[wish.filter] })
    let calls = 0
    let failing: Hiccups[number] | undefined
    const { result, error } = await this.#run(wish, forEver(), {
      before: () => {
        calls++
        failing = hiccups.find((one) => one.call === calls)
        if (failing?.effect === false) throw new StowageError(failing.code, 'Not now.')
      },
      after: () => {
        const lost = failing?.effect === true ? failing : undefined
        failing = undefined
        if (lost !== undefined) throw new StowageError(lost.code, 'The answer was lost.')
      },
    })
    const mayBeRefused = this.#unsure.has(wish.filter) && wish.maxDeletePercent < 100 && expected.deleted.length > 0
    if (error !== undefined) {
      expect(error).toMatchObject({ code: 'unsafe' })
      expect(expected.refused || mayBeRefused).toBe(true)
      const kept = oneWayEnd(a.contents(), b.contents(), { ...wish, ...filters[wish.filter], delete: false })
      expect(kept.copied).toEqual([])
      expect(Object.keys(b.contents())).toEqual(expect.arrayContaining(Object.keys(expected.target)))
      this.#unsure.add(wish.filter)
      return
    }
    expect(result).toMatchObject({ status: 'success', errors: [] })
    expect(expected.refused).toBe(false)
    expect(b.contents()).toEqual(sorted(expected.target))
    expect(result?.objects.deleted).toBe(expected.deleted.length)
    expect(result?.objects.copied).toBeGreaterThanOrEqual(hiccups.length > 0 ? 0 : expected.copied.length)
    this.#unsure.delete(wish.filter)
    const again = await this.#run({ ...wish, checksum: false }, forEver())
    expect(again.result).toMatchObject({ status: 'success', objects: { copied: 0, deleted: 0, failed: 0 } })
  }

  /** Whatever happens to a run, no object is lost, mixed, or touched that does not take part. */
  async #disturbed(wish: Wish, disturbance: Disturbance): Promise<void> {
    const { a, b } = this.#sides
    const before = b.contents()
    const inSource = new Set(Object.keys(a.contents()))
    const { takesKey } = filters[wish.filter]
    this.#unsure.add(wish.filter)
    const { how } = disturbance
    const life =
      how === 'killed'
        ? new Life(disturbance.call, disturbance.effect)
        : how === 'killed at a write'
          ? new Life(disturbance.call, disturbance.effect, /^(put|delete|deleteMany|complete) (?!pair|task)/)
          : forEver()
    let calls = 0
    let pages = 0
    /** What somebody else wrote or deleted in the target meanwhile. */
    let edited = ''
    const { result } = await this.#run(
      wish,
      life,
      {
        before: async (which, operation, name, wait) => {
          const refuse = (): never => {
            throw new StowageError('access-denied', 'Not now.')
          }
          if (how === 'listing fails' && which === disturbance.side && operation === 'list') {
            if (pages++ === disturbance.page) refuse()
          } else if (how === 'object fails' && which === disturbance.side && operation !== 'list') {
            if (name === disturbance.key) refuse()
          } else if (how === 'edited meanwhile' && keys.some((one) => one === name) && ++calls === disturbance.call) {
            if (disturbance.side === 'b') edited = name
            if (disturbance.gone) this.#sides[disturbance.side].objects.delete(name)
            else this.#put(disturbance.side, name, this.#text(false))
            if (disturbance.gone && disturbance.side === 'a') inSource.delete(name)
          } else if (how === 'time limit' && (operation === 'put' || operation === 'uploadPart')) await wait(5000)
        },
      },
      how === 'store fails' ? disturbance : undefined,
      how === 'time limit' ? { timeLimitMs: 1000 } : {},
    )
    const after = b.contents()
    for (const [name, text] of Object.entries(after)) {
      expect(this.#ever.get(name)?.has(text), `${how}: "${name}" holds what nobody wrote`).toBe(true)
      if (!takesKey(name) && name !== edited) expect(before[name]).toBe(text)
    }
    for (const name of Object.keys(before)) {
      if (name in after || name === edited) continue
      expect([how, name, wish.delete && takesKey(name) && !inSource.has(name)]).toEqual([how, name, true])
    }
    // Nothing is deleted beside what failed, behind a listing that failed, or in a run that did not come to its end.
    const noDeletes =
      (how === 'object fails' && disturbance.side === 'a' && (result?.objects.failed ?? 0) > 0) ||
      (how === 'listing fails' && result === undefined && pages <= 1 + disturbance.page) ||
      (how === 'time limit' && result?.status === 'paused')
    if (noDeletes) expect(Object.keys(after)).toEqual(expect.arrayContaining(Object.keys(before)))
  }

  async #run(
    wish: Wish,
    life: Life,
    hooks: {
      before?: (
        side: SideName,
        operation: string,
        key: string,
        wait: (ms: number) => Promise<void>,
      ) => void | Promise<void>
      after?: () => void
    } = {},
    storeFails?: { call: number; effect: boolean },
    more: Partial<SyncOptions> = {},
  ): Promise<{ result?: SyncResult; error?: unknown }> {
    const clock = new FakeClock()
    for (const name of ['a', 'b'] as const) {
      this.#sides[name].options.before = async ({ operation, key, signal }) => {
        life.before(`${operation} ${key}`)
        await hooks.before?.(name, operation, key, (ms) => clock.sleep(ms, signal))
      }
      this.#sides[name].options.after = () => {
        life.after()
        hooks.after?.()
      }
    }
    const pid = ++this.#runs
    // A store that fails once lives on.
    const store = mortal(
      this.#store,
      'store',
      storeFails === undefined ? life : new Ailing(storeFails.call, storeFails.effect),
    )
    const worker = { store, clock, owner: fakeOwner(pid), random: seededRandom(pid), afterKeys: this.#setting.divided }
    const { concurrency } = this.#setting
    const { filter, ...options } = wish
    let ended = false
    const running = runAs(worker, {
      from: at(this.#sides.a),
      to: at(this.#sides.b),
      concurrency,
      partSize,
      ...options,
      ...filters[filter].options,
      ...more,
    })
      .then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      )
      .finally(() => {
        ended = true
        for (const { options } of Object.values(this.#sides))
          Object.assign(options, { before: undefined, after: undefined })
      })
    for (let i = 0; i < 1000 && !ended; i++) await clock.advance(500)
    expect(ended, 'the run came to no end').toBe(true)
    return await running
  }

  #put(side: SideName, key: string, text: string): void {
    this.#sides[side].seed(key, Buffer.from(text, 'latin1'))
    this.#ever.set(key, (this.#ever.get(key) ?? new Set()).add(text))
  }

  #text(large: boolean): string {
    const text = `version ${String(++this.#texts).padStart(4, '0')}`
    // Parts that differ, and are other ones in each version.
    return large ? Array.from({ length: 200 }, () => text).join('\n') : text
  }
}

function sorted(contents: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(contents).sort(([a], [b]) => (a < b ? -1 : 1)))
}

describe('any history of a source and a target', () => {
  it('leads to what a simple model says, whatever disturbs the syncs', async () => {
    await fc.assert(
      fc.asyncProperty(setting, steps, async (given, history) => {
        const world = new World(given)
        for (const step of history) await world.take(step)
        await world.settle()
      }),
      { numRuns: repeats(120, 5000) },
    )
  })

  it('with all allowed to go, deletes what is extra, also where what an unfinished run brought is gone again', async () => {
    const world = new World({ contentsTell: false, conditions: true, pageSize: 1, concurrency: 1, divided: 1_000_000 })
    const wish = { delete: true, maxDeletePercent: 50, allowEmpty: false, checksum: false, filter: 'none' } as const
    await world.take({ do: 'put', side: 'a', key: 'a/b', large: false })
    await world.take({ do: 'put', side: 'b', key: 'a', large: false })
    // One of one would go: refused, and "a/b" was brought.
    await world.take({ do: 'sync', wish, disturbed: undefined, hiccups: [] })
    await world.take({ do: 'delete', side: 'b', key: 'a/b' })
    await world.take({ do: 'sync', wish: { ...wish, maxDeletePercent: 100 }, disturbed: undefined, hiccups: [] })
    await world.settle()
  })

  it('a source that was emptied since partitions were counted empties nothing', async () => {
    for (const divided of [1, 2] as const) {
      const world = new World({ contentsTell: false, conditions: true, pageSize: 1, concurrency: 1, divided })
      const wish = { delete: true, maxDeletePercent: 20, allowEmpty: false, checksum: false, filter: 'none' } as const
      await world.take({ do: 'same', key: 'a' })
      await world.take({ do: 'put', side: 'b', key: 'd/e.tmp', large: false })
      await world.take({ do: 'sync', wish, disturbed: undefined, hiccups: [] })
      await world.take({ do: 'delete', side: 'a', key: 'a' })
      await world.take({ do: 'sync', wish: { ...wish, maxDeletePercent: 100 }, disturbed: undefined, hiccups: [] })
      await world.settle()
    }
  })
})
