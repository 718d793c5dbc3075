import type { EventGap, ObjectEvent, PolicyLag } from '@stowage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import type { BucketEvent } from './bucket-events.ts'
import { openWorld, type World } from './testing.ts'

const arrivals: PolicyConfig = { id: 'p', on: 'event', from: 'a:in', to: 'b:out', debounceMs: 2000, delete: true }

let world: World

beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const put = (key: string, text: string): Promise<unknown> => world.a.put(key, Buffer.from(text))
const tasks = async (stowage: Awaited<ReturnType<World['open']>>): Promise<number> =>
  (await stowage.tasks.list({ limit: 1000 })).length

describe('events', () => {
  it('bring what changed within the time that they are collected, many of them as one task', async () => {
    const stowage = await world.open([arrivals])
    const lags: PolicyLag[] = []
    stowage.events.on('policy.lag', (lag) => lags.push(lag))
    void stowage.policies.start()
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined)
    await world.pass(5000)
    const before = await tasks(stowage)
    for (let i = 0; i < 20; i++) await put(`in/${i % 5}`, `${i}`)
    await put('elsewhere/x', 'x')
    await put('in/.stowage/x', 'x')
    await world.until(async () => Object.keys(await world.holds(world.b)).length === 5, 10_000)
    await world.pass(5000)
    expect((await tasks(stowage)) - before).toBe(1)
    expect((await world.holds(world.b))['out/4']).toBe('19')
    await world.a.delete('in/4')
    await world.until(async () => !('out/4' in (await world.holds(world.b))), 10_000)
    expect(lags).toMatchObject([
      { policyId: 'p', count: 5 },
      { policyId: 'p', count: 1 },
    ])
    const { lag } = await stowage.policies.get('p')
    expect(lag?.count).toBe(6)
    expect(lag?.p99Ms).toBeGreaterThanOrEqual(2000)
    expect(lag?.p99Ms).toBeLessThan(6000)
  })

  it('that were taken are forgotten by no crash: another process sees to them', async () => {
    const one = await world.open([arrivals])
    await one.policies.run('p')
    await put('in/x', 'x')
    const event: BucketEvent = { provider: 'minio', type: 'created', bucket: 'none', key: 'in/x', rawName: '' }
    expect(await one.policies.handleEvents([event])).toEqual({ events: 1, policies: [] })
    await one.policies.handleEvents([])
    // As a watch of this process would have it.
    const { intake } = await noted(one)
    expect(await intake.note('a', [{ type: 'created', key: 'in/x' }])).toEqual(['p'])
    await one.close()
    expect(await world.holds(world.b)).toEqual({})
    const { watch } = world.a
    world.a.watch = async function* () {}
    const two = await world.open([arrivals])
    void two.policies.start()
    await world.until(async () => (await world.holds(world.b))['out/x'] === 'x', 10_000)
    world.a.watch = watch
  })

  it('that were lost are made up for at once, when the store tells so', async () => {
    const batches: (ObjectEvent | EventGap)[][] = []
    let wake: () => void = () => undefined
    world.a.watch = async function* () {
      for (;;) {
        const batch = batches.shift()
        if (batch !== undefined) yield batch
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    }
    const stowage = await world.open([arrivals])
    void stowage.policies.start()
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined)
    await world.pass(5000)
    await put('in/lost', 'x')
    await world.pass(10_000)
    expect(await world.holds(world.b)).toEqual({})
    batches.push([{ type: 'gap', time: world.clock.now() }])
    wake()
    await world.until(async () => 'out/lost' in (await world.holds(world.b)), 10_000)
    expect((await stowage.policies.get('p')).last).toMatchObject({ trigger: 'gap' })
  })

  it('that were lost soon after a look are made up for as soon as there may be another one', async () => {
    const { list } = world.a
    world.a.list = async function* (options) {
      await world.clock.sleep(2000)
      yield* list.call(world.a, options)
    }
    let lose: () => void = () => undefined
    world.a.watch = async function* () {
      await new Promise<void>((resolve) => (lose = resolve))
      yield [{ type: 'gap', time: world.clock.now() }]
      yield* silence()
    }
    const stowage = await world.open([arrivals])
    void stowage.policies.start()
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined)
    await put('in/lost', 'x')
    lose()
    await world.pass(2000)
    expect(await stowage.policies.get('p')).toMatchObject({ wanted: 'gap' })
    // Ten times as long as the look took, and well before the one that mends what crashes leave.
    await world.until(async () => 'out/lost' in (await world.holds(world.b)), 40_000)
  })

  it('are backed by a look at everything, in its time', async () => {
    world.a.watch = () => silence()
    const stowage = await world.open([{ ...arrivals, reconcile: '1h' }])
    void stowage.policies.start()
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined)
    await world.pass(5000)
    const { reconciled } = await stowage.policies.get('p')
    await put('in/unheard', 'x')
    await world.pass(60_000)
    expect(await world.holds(world.b)).toEqual({})
    world.clock.set((reconciled?.from ?? 0) + 3_600_000)
    await world.until(async () => 'out/unheard' in (await world.holds(world.b)), 30_000)
    const view = await stowage.policies.get('p')
    expect(view.last).toMatchObject({ trigger: 'reconcile' })
    expect(view.reconciled?.from).toBeGreaterThanOrEqual((reconciled?.from ?? 0) + 3_600_000)
  })

  it('are watched by one process, and by another when that one ends', async () => {
    let watching = 0
    const { watch } = world.a
    world.a.watch = (options) => {
      watching++
      return watch.call(world.a, options)
    }
    const [one, two] = [await world.open([arrivals]), await world.open([arrivals])]
    void one.policies.start()
    void two.policies.start()
    await world.until(() => watching > 0)
    await world.pass(60_000)
    expect(watching).toBe(1)
    await one.policies.stop()
    await two.policies.stop()
    void two.policies.start()
    await world.until(() => watching === 2, 90_000)
    await world.pass(5000)
    await put('in/x', 'x')
    await world.until(async () => 'out/x' in (await world.holds(world.b)), 10_000)
  })

  it.for([
    [
      'there and back',
      [
        { id: 'there', on: 'event', from: 'a:', to: 'b:', debounceMs: 0 },
        { id: 'back', on: 'event', from: 'b:', to: 'a:', debounceMs: 0 },
      ],
    ],
    [
      'there and back twice',
      [
        { id: 'ab', on: 'event', from: 'a:', to: 'b:', debounceMs: 0 },
        { id: 'bc', on: 'event', from: 'b:', to: 'c:', debounceMs: 0 },
        { id: 'cb', on: 'event', from: 'c:', to: 'b:', debounceMs: 0 },
        { id: 'ba', on: 'event', from: 'b:', to: 'a:', debounceMs: 0 },
      ],
    ],
    ['in both directions', [{ id: 'both', on: 'event', from: 'a:', to: 'b:', twoWay: true, debounceMs: 0 }]],
  ] as [string, PolicyConfig[]][])('of our own writes come to an end: %s', async ([, policies]) => {
    // No store's etag tells what is in the object, so nothing looks the same by itself.
    for (const adapter of [world.a, world.b, world.c])
      Object.assign(adapter, { capabilities: { ...adapter.capabilities, etagIsMd5: false } })
    let puts = 0
    for (const adapter of [world.a, world.b, world.c]) {
      const { put: original } = adapter
      adapter.put = (...args) => {
        if (!args[0].startsWith('.')) puts++
        return original.apply(adapter, args)
      }
    }
    const stowage = await world.open(policies)
    void stowage.policies.start()
    await world.pass(10_000)
    await put('k', 'one')
    await world.until(async () => (await world.holds(world.b))['k'] === 'one', 20_000)
    await world.pass(20_000)
    const written = puts
    expect(written).toBeLessThanOrEqual(4)
    await world.pass(60_000)
    expect(puts).toBe(written)
    await world.b.put('k', Buffer.from('two'))
    await world.until(async () => (await world.holds(world.a))['k'] === 'two', 20_000)
    await world.pass(20_000)
    const after = puts
    await world.pass(60_000)
    expect(puts).toBe(after)
  })
})

/** The intake of a Stowage, which takes what its watches tell. */
async function noted(stowage: Awaited<ReturnType<World['open']>>) {
  const { Intake, PolicyRuns, PolicySet, CatalogPolicies, ChangeNotes, Records, PolicyWork } = await import(
    './index.ts'
  )
  const { sources, events } = stowage
  const { clock } = world
  const random = { next: Math.random, id: (now: number) => `${now}-${Math.random().toString(36).slice(2)}` }
  const records = new Records({ store: world.catalog.sync, clock, random })
  const set = new PolicySet([arrivals], new CatalogPolicies(records), clock, events)
  await set.fresh(true)
  const notes = new ChangeNotes(records, random)
  const work = undefined as unknown as InstanceType<typeof PolicyWork>
  const runs = new PolicyRuns({ records, notes, work, all: () => [], clock, random, events })
  return { intake: new Intake({ records, set, runs, notes, sources, onNoted: () => undefined }) }
}

async function* silence(): AsyncGenerator<never> {
  await new Promise(() => undefined)
}
