import { at, StowageError } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { Ailing, FakeAdapter, fakeOwner, type OracleOptions, type OracleSide, TwoWayOracle } from '../testing/index.ts'

const keys = ['a', 'a.txt', 'a/b', 'c'] as const
const partSize = 1000

const side = fc.constantFrom<OracleSide>('a', 'b')
const key = fc.constantFrom(...keys)
const edit = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('put' as const), side, key, large: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), side, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('touch' as const), side, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('same' as const), key }) },
)
/** At which call of anything outside something happens. */
const call = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 200 }))
const disturbance = fc.oneof(
  fc.record({ how: fc.constant('killed' as const), call, effect: fc.boolean() }),
  // Where it matters most: at a write to one of the sides.
  fc.record({
    how: fc.constant('killed at a write' as const),
    call: fc.integer({ min: 1, max: 4 }),
    effect: fc.boolean(),
    // And somebody edits or deletes the very object before the next run.
    then: fc.option(fc.record({ side, gone: fc.boolean() }), { nil: undefined }),
  }),
  fc.record({ how: fc.constant('listing fails' as const), side, page: fc.integer({ min: 0, max: 8 }) }),
  fc.record({ how: fc.constant('object fails' as const), side, key }),
  // The very object that is worked on at the moment.
  fc.record({
    how: fc.constant('edited meanwhile' as const),
    side,
    call: fc.integer({ min: 1, max: 16 }),
    gone: fc.boolean(),
  }),
  fc.record({ how: fc.constant('store fails' as const), call, effect: fc.boolean() }),
)
/** What costs an undisturbed sync time and nothing else: two failures, before or after a call has its effect. */
const hiccups = fc.array(
  fc.record({
    call: fc.integer({ min: 1, max: 40 }),
    effect: fc.boolean(),
    code: fc.constantFrom('unavailable' as const, 'timeout' as const, 'throttled' as const),
  }),
  { maxLength: 2 },
)
const sync = fc.record({
  do: fc.constant('sync' as const),
  hiccups,
  disturbed: fc.option(disturbance, { nil: undefined, freq: 2 }),
})
const steps = fc.array(fc.oneof({ weight: 3, arbitrary: edit }, { weight: 1, arbitrary: sync }), {
  minLength: 8,
  maxLength: 40,
  size: 'max',
})
const setting = fc.record({
  conflict: fc.constantFrom<OracleOptions['conflict']>('newer', 'source', 'target', 'keep-both'),
  contentsTell: fc.boolean(),
  pageSize: fc.integer({ min: 1, max: 5 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
})

type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never
type Setting = typeof setting extends fc.Arbitrary<infer S> ? S : never
type Disturbance = typeof disturbance extends fc.Arbitrary<infer D> ? D : never
type Hiccups = typeof hiccups extends fc.Arbitrary<infer H> ? H : never

/** Something that a person wrote, and whether it may be gone for a good reason. */
interface Written {
  key: string
  side: OracleSide
  text: string
  /** Whether a sync has been at work since, so that the other side may have had it. */
  seen: boolean
  /** Replaced or deleted by a person who may have seen it. */
  given: boolean
}

class World {
  readonly #setting: Setting
  readonly #oracle: TwoWayOracle
  readonly #sides: Record<OracleSide, FakeAdapter>
  readonly #store = memoryStore({ clock: new FakeClock() })
  #written: Written[] = []
  /** Keys that were written after a sync was disturbed: what it had done by then is not for a simple model to know. */
  #unsure = new Set<string>()
  #disturbed = false
  /** Who wrote a key since both sides agreed. */
  readonly #writers = new Map<string, Set<OracleSide>>()
  /** The names that both sides had then. */
  #names: string[] = []
  #time = 0
  #texts = 0
  #runs = 0

  constructor(setting: Setting) {
    this.#setting = setting
    this.#oracle = new TwoWayOracle(setting)
    const { contentsTell, pageSize } = setting
    const make = (id: OracleSide) =>
      new FakeAdapter({
        id,
        pageSize,
        now: () => this.#time,
        capabilities: { etagIsMd5: contentsTell, metadata: contentsTell ? 'native' : 'none' },
      })
    this.#sides = { a: make('a'), b: make('b') }
  }

  async take(step: Step): Promise<void> {
    this.#time += 1000
    if (step.do === 'sync')
      await (step.disturbed === undefined ? this.settle(step.hiccups) : this.#disturb(step.disturbed))
    else if (step.do === 'put') this.#put(step.side, step.key, this.#text(step.large))
    else if (step.do === 'delete') this.#delete(step.side, step.key)
    else if (step.do === 'touch') {
      const text = this.#sides[step.side].objects.get(step.key)?.bytes
      // An object that came in parts has another etag than the same bytes in one piece: whether that is a change depends on the side.
      if (text !== undefined && text.length <= partSize)
        this.#touch(step.side, step.key, Buffer.from(text).toString('latin1'))
    } else {
      const text = this.#text(false)
      this.#put('a', step.key, text)
      this.#put('b', step.key, text)
    }
  }

  /** A sync that nothing disturbs: both sides must have what the model says, and nothing that somebody wrote is lost. */
  async settle(hiccups: Hiccups = []): Promise<void> {
    const unsure = [...this.#unsure]
    // Where only one side was written to, that side's is what both must have, whatever was done of it before.
    const byOne = unsure.flatMap((key): [string, string | undefined][] => {
      const [writer, ...others] = this.#writers.get(key) ?? []
      return writer === undefined || others.length > 0 ? [] : [[key, this.#oracle.text(writer, key)]]
    })
    const result = await this.#run(new Life(Number.POSITIVE_INFINITY, true), { hiccups })
    expect(result).toMatchObject({ status: 'success', errors: [] })
    const [inA, inB] = [this.#sides.a.contents(), this.#sides.b.contents()]
    expect(inB).toEqual(inA)
    const certain = (contents: Record<string, string>) =>
      Object.fromEntries(Object.entries(contents).filter(([name]) => !unsure.some((key) => isOf(name, key))))
    expect(certain(inA)).toEqual(certain(this.#oracle.sync()))
    for (const { key, text, given } of this.#written) {
      if (!given)
        expect(
          Object.entries(inA)
            .filter(([name]) => isOf(name, key))
            .map(([, found]) => found),
        ).toContain(text)
    }
    for (const [key, text] of byOne) {
      expect(inA[key]).toBe(text)
      expect(Object.keys(inA).filter((name) => isOf(name, key) && name !== key && !this.#names.includes(name))).toEqual(
        [],
      )
    }
    for (const key of unsure) {
      this.#oracle.agree(key, inA[key])
      for (const [name, text] of Object.entries(inA)) if (isOf(name, key)) this.#oracle.agree(name, text)
    }
    for (const name of Object.keys(this.#oracle.sync())) if (!(name in inA)) this.#oracle.agree(name, undefined)
    this.#written = this.#written.filter(({ given }) => !given)
    this.#unsure.clear()
    this.#writers.clear()
    this.#names = Object.keys(inA)
    this.#disturbed = false
    const again = await this.#run(new Life(Number.POSITIVE_INFINITY, true))
    expect(again).toMatchObject({ status: 'success', objects: { copied: 0, deleted: 0, conflicts: 0, failed: 0 } })
    expect(this.#sides.a.contents()).toEqual(inA)
    expect([this.#sides.a.uploads.size, this.#sides.b.uploads.size]).toEqual([0, 0])
    expect(
      (await this.#store.list('pair/')).filter((record) => /\/(intent|upload|upload-back)\//.test(record)),
    ).toEqual([])
  }

  async #disturb(disturbance: Disturbance): Promise<void> {
    this.#disturbed = true
    const life =
      disturbance.how === 'killed'
        ? new Life(disturbance.call, disturbance.effect)
        : disturbance.how === 'killed at a write'
          ? new Life(disturbance.call, disturbance.effect, /^(put|delete|complete) (?!pair|task)/)
          : new Life(Number.POSITIVE_INFINITY, true)
    let calls = 0
    let pages = 0
    const fail = (): never => {
      throw new StowageError('access-denied', 'Not now.')
    }
    const store = disturbance.how === 'store fails' ? new Ailing(disturbance.call, disturbance.effect) : life
    const meanwhile = (which: OracleSide, operation: string, key: string): void => {
      if (disturbance.how === 'listing fails' && which === disturbance.side && operation === 'list') {
        if (pages++ === disturbance.page) fail()
      }
      const isAt = which === (disturbance.how === 'object fails' ? disturbance.side : undefined)
      if (isAt && operation !== 'list' && disturbance.how === 'object fails' && key === disturbance.key) fail()
      const mayEdit = disturbance.how === 'edited meanwhile' && keys.some((one) => one === key)
      if (mayEdit && ++calls === disturbance.call) {
        if (disturbance.gone) this.#delete(disturbance.side, key)
        else this.#put(disturbance.side, key, this.#text(false))
        for (const written of this.#written) written.seen = true
      }
    }
    await this.#run(life, { meanwhile, store }).catch(() => undefined)
    const key = keys.find((one) => life.last.endsWith(` ${one}`))
    if (disturbance.how !== 'killed at a write' || disturbance.then === undefined || key === undefined) return
    if (disturbance.then.gone) this.#delete(disturbance.then.side, key)
    else this.#put(disturbance.then.side, key, this.#text(false))
  }

  async #run(
    life: Life,
    {
      meanwhile,
      store = life,
      hiccups = [],
    }: {
      meanwhile?: (side: OracleSide, operation: string, key: string) => void
      store?: Life
      hiccups?: Hiccups
    } = {},
  ) {
    let calls = 0
    let failing: Hiccups[number] | undefined
    for (const written of this.#written) written.seen = true
    for (const name of ['a', 'b'] as const) {
      this.#sides[name].options.before = ({ operation, key }) => {
        life.before(`${operation} ${key}`)
        meanwhile?.(name, operation, key)
        calls++
        failing = hiccups.find((one) => one.call === calls)
        if (failing?.effect === false) throw new StowageError(failing.code, 'Not now.')
      }
      this.#sides[name].options.after = () => {
        life.after()
        const lost = failing?.effect === true ? failing : undefined
        failing = undefined
        if (lost !== undefined) throw new StowageError(lost.code, 'The answer was lost.')
      }
    }
    const pid = ++this.#runs
    const clock = new FakeClock()
    const engine = createSync({
      store: mortal(this.#store, 'store', store),
      clock,
      random: seededRandom(pid),
      owner: fakeOwner(pid),
    })
    const { conflict, concurrency } = this.#setting
    const { a, b } = this.#sides
    const caps = { maxDeletePercent: 100, allowEmpty: true }
    let ended = false
    const running = engine
      .run({ from: at(a), to: at(b), twoWay: true, conflict, concurrency, partSize, ...caps })
      .finally(() => {
        ended = true
        for (const adapter of [a, b]) Object.assign(adapter.options, { before: undefined, after: undefined })
      })
    running.catch(() => undefined)
    for (let i = 0; i < 1000 && !ended; i++) await clock.advance(500)
    return await running
  }

  #put(side: OracleSide, key: string, text: string): void {
    this.#touch(side, key, text)
    this.#written.push({ key, side, text, seen: false, given: false })
  }

  #touch(side: OracleSide, key: string, text: string): void {
    this.#replaced(side, key)
    this.#sides[side].seed(key, Buffer.from(text, 'latin1'))
    this.#oracle.put(side, key, text, this.#time)
  }

  #delete(side: OracleSide, key: string): void {
    this.#replaced(side, key)
    this.#sides[side].objects.delete(key)
    this.#oracle.delete(side, key)
  }

  #replaced(side: OracleSide, key: string): void {
    this.#writers.set(key, (this.#writers.get(key) ?? new Set()).add(side))
    if (this.#disturbed) this.#unsure.add(key)
    for (const written of this.#written) {
      if (written.key === key && (written.side === side || written.seen)) written.given = true
    }
  }

  #text(large: boolean): string {
    const text = `version ${String(++this.#texts).padStart(4, '0')}`
    return large ? text.padEnd(partSize + 500, '.') : text
  }
}

/** Whether a name is that of a key, or of a version of it that was set aside. */
function isOf(name: string, key: string): boolean {
  const dot = /\.[^./]+$/.exec(key)?.[0] ?? ''
  const stem = key.slice(0, key.length - dot.length)
  return (
    name === key ||
    (name.startsWith(`${stem}.conflict-`) &&
      name.endsWith(dot) &&
      /-[0-9a-f]{12}$/.test(dot === '' ? name : name.slice(0, -dot.length)))
  )
}

describe('any history of two sides', () => {
  it('comes to what a simple model says, whatever disturbs it', async () => {
    await fc.assert(
      fc.asyncProperty(setting, steps, async (given, history) => {
        const world = new World(given)
        for (const step of history) await world.take(step)
        await world.settle()
      }),
      { numRuns: repeats(150, 3000) },
    )
  })
})
