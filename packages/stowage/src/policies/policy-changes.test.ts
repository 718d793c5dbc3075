import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const HOUR = 3_600_000
const every5: PolicyConfig = { id: 'p', on: 'schedule', from: 'a:', to: 'b:', schedule: '*/5 * * * *' }

let world: World
/** How far the store's clock is ahead, in milliseconds. */
let ahead: number

beforeEach(async () => {
  world = await openWorld(Date.UTC(2026, 0, 1))
  ahead = 0
  const { sync } = world.catalog
  const now = sync.now.bind(sync)
  sync.now = async () => (await now()) + ahead
})
afterEach(() => world.close())

const put = (key: string): Promise<unknown> => world.a.put(key, Buffer.from('x'))
const keys = async (store: 'b' | 'c'): Promise<string[]> => Object.keys(await world.holds(world[store]))

/** Holds up what is written to `b`. @returns what lets it go on */
function hold(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { put: write } = world.b
  world.b.put = async (...args) => {
    await promise
    return write.apply(world.b, args)
  }
  return resolve
}

describe('a look at everything comes at once', () => {
  it('when a policy was off, while another one had the events', async () => {
    const stowage = await world.open([{ id: 'other', on: 'event', from: 'a:', to: 'c:' }])
    void stowage.policies.start()
    await stowage.policies.add({ id: 'p', on: 'event', from: 'a:', to: 'b:' })
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined)
    await stowage.policies.disable('p')
    await world.pass(5000)
    await put('k')
    await world.until(async () => (await keys('c')).length === 1)
    await world.pass(5000)
    expect(await keys('b')).toEqual([])
    await stowage.policies.enable('p')
    await world.until(async () => (await keys('b')).includes('k'), 30_000)
  })

  it('when one of its id was removed in the middle of a run', async () => {
    const stowage = await world.open([{ id: 'other', on: 'event', from: 'a:', to: 'c:other' }])
    await put('k')
    void stowage.policies.start()
    await world.until(async () => (await stowage.policies.get('other')).reconciled !== undefined)
    const go = hold()
    await stowage.policies.add({ id: 'p', on: 'event', from: 'a:', to: 'b:' })
    await world.until(async () => (await stowage.policies.get('p')).running)
    await stowage.policies.remove('p')
    await world.pass(3000)
    go()
    await world.pass(5000)
    await stowage.policies.add({ id: 'p', on: 'event', from: 'a:', to: 'c:p' })
    await world.until(async () => (await keys('c')).includes('p/k'), 30_000)
  })

  it('when the configuration has another target now', async () => {
    await put('k')
    Object.assign(world.a, { capabilities: { ...world.a.capabilities, notifications: 'none' } })
    const before = await world.open([{ id: 'p', on: 'event', from: 'a:', to: 'b:' }])
    void before.policies.start()
    await world.until(async () => (await keys('b')).includes('k'))
    const stopped = before.policies.stop()
    await world.pass(2000)
    await stopped
    const after = await world.open([{ id: 'p', on: 'event', from: 'a:', to: 'c:' }])
    void after.policies.start()
    await world.until(async () => (await keys('c')).includes('k'), 30_000)
  })
})

it('one whose record cannot be read stops no other, and is told now and then', async () => {
  await put('k')
  const newer = Buffer.from(JSON.stringify({ format: 99, value: {} }))
  await world.catalog.sync.put('policy/state/newer', newer, null)
  const stowage = await world.open([{ ...every5, id: 'newer', to: 'c:' }, every5])
  void stowage.policies.start()
  await world.until(async () => (await keys('b')).includes('k'), HOUR / 10)
  const told = world.alerts.filter(({ code }) => code === 'newer-format')
  expect(told.length).toBeGreaterThan(0)
  expect(told.length).toBeLessThan(20)
  expect(told[0]?.message).toContain('"newer"')
})

it.for(['publish', 'manual'] as const)('on %s, a run that was asked for outlives who began it', async (on) => {
  const place = on === 'publish' ? { from: 'a', to: 'b' } : { from: 'a:', to: 'b:' }
  const stowage = await world.open([{ id: 'p', on, ...place }])
  await stowage.policies.trigger('p')
  // As somebody leaves it who dies right after taking it up.
  await world.catalog.sync.delete('policy/due/p')
  void stowage.policies.start()
  await world.until(async () => (await stowage.policies.get('p')).last?.status === 'success')
})

it('one that is off is run in the background when somebody asks for it, and not by itself', async () => {
  const stowage = await world.open([{ ...every5, enabled: false }])
  await put('k')
  void stowage.policies.start()
  await world.pass(11 * 60_000)
  expect(await keys('b')).toEqual([])
  await stowage.policies.trigger('p')
  await world.until(async () => (await keys('b')).includes('k'), 30_000)
})

describe('a clock', () => {
  it('that was a year ahead for a while keeps nothing from running after that', async () => {
    const stowage = await world.open([every5, { id: 'e', on: 'event', from: 'a:', to: 'c:' }])
    void stowage.policies.start()
    await world.pass(2000)
    ahead = 365 * 24 * HOUR
    await world.pass(400_000)
    const { last } = await stowage.policies.get('p')
    expect(last?.endedAt).toBeGreaterThan(Date.UTC(2026, 6, 1))
    ahead = 0
    await world.until(
      async () => ((await stowage.policies.get('p')).last?.endedAt ?? 0) < Date.UTC(2026, 6, 1),
      400_000,
    )
    await world.until(async () => ((await stowage.policies.get('e')).reconciled?.from ?? 0) < Date.UTC(2026, 6, 1))
  })

  it('that is set back by an hour neither holds up events nor runs a time twice', async () => {
    world.clock.set(Date.UTC(2026, 0, 1, 1, 58))
    const hourly = { ...every5, schedule: '0 * * * *' }
    const stowage = await world.open([{ id: 'e', on: 'event', from: 'a:', to: 'c:' }, hourly])
    void stowage.policies.start()
    await world.pass(150_000)
    expect((await stowage.tasks.list()).filter(({ policyId }) => policyId === 'p')).toHaveLength(1)
    await put('k')
    await world.clock.advance(300)
    ahead = -HOUR
    const anHour = async (): Promise<void> => {
      world.clock.set(world.clock.now() + (HOUR * 9) / 10)
      await world.pass(HOUR / 10)
    }
    await world.until(async () => (await keys('c')).includes('k'), 20_000)
    await anHour()
    expect((await stowage.tasks.list()).filter(({ policyId }) => policyId === 'p')).toHaveLength(1)
    await anHour()
    expect((await stowage.tasks.list()).filter(({ policyId }) => policyId === 'p')).toHaveLength(2)
  })
})
