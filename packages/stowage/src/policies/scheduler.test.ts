import { StowageError } from '@stowage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const HOUR = 3_600_000
const nightly: PolicyConfig = { id: 'p', on: 'schedule', from: 'a:x', to: 'b:x', schedule: '30 2 * * *' }

let world: World

beforeEach(async () => {
  world = await openWorld(Date.UTC(2026, 0, 1))
})
afterEach(() => world.close())

/** Counts the runs of policies, by their tasks. */
async function runsOf(stowage: Awaited<ReturnType<World['open']>>, id = 'p'): Promise<number[]> {
  const tasks = await stowage.tasks.list({ limit: 1000 })
  return tasks.filter(({ policyId }) => policyId === id).map(({ createdAt }) => createdAt)
}

describe('schedules', () => {
  it('run each time once, however many processes have a scheduler', async () => {
    const open = await Promise.all([1, 2, 3].map(() => world.open([{ ...nightly, schedule: '* * * * *' }])))
    const [first] = open
    if (first === undefined) throw new Error('None is open.')
    await world.a.put('x/1', Buffer.from('one'))
    for (const stowage of open) void stowage.policies.start()
    await world.pass(250_000)
    expect(await world.holds(world.b)).toEqual({ 'x/1': 'one' })
    const times = (await runsOf(first)).map((at) => new Date(at).toISOString().slice(11, 16))
    expect(times.sort()).toEqual(['00:01', '00:02', '00:03', '00:04'])
    const [view] = await first.policies.list()
    expect(view).toMatchObject({ failures: 0, skipped: 0, last: { status: 'success', trigger: 'schedule' } })
    expect(view?.nextAt).toBe(Date.UTC(2026, 0, 1, 0, 5))
  })

  it.for([
    ['once', 1],
    ['skip', 0],
  ] as const)('were missed while nothing ran: %s leads to %i run', async ([missed, runs]) => {
    const before = await world.open([{ ...nightly, missed }])
    void before.policies.start()
    await world.pass(2000)
    const stopped = before.policies.stop()
    await world.pass(1000)
    await stopped
    world.clock.set(Date.UTC(2026, 0, 8, 12))
    const after = await world.open([{ ...nightly, missed }])
    void after.policies.start()
    await world.pass(10_000)
    expect(await runsOf(after)).toHaveLength(runs)
    world.clock.set(Date.UTC(2026, 0, 9, 2, 29, 55))
    await world.pass(10_000)
    expect(await runsOf(after)).toHaveLength(runs + 1)
  })

  it('are not missed before there was a policy, while it was off, or by another schedule', async () => {
    const stowage = await world.open()
    void stowage.policies.start()
    world.clock.set(Date.UTC(2026, 0, 1, 3))
    await stowage.policies.add(nightly)
    await world.pass(5000)
    expect(await runsOf(stowage)).toHaveLength(0)
    await stowage.policies.disable('p')
    world.clock.set(Date.UTC(2026, 0, 3))
    await world.pass(5000)
    await stowage.policies.enable('p')
    await world.pass(5000)
    expect(await runsOf(stowage)).toHaveLength(0)
    world.clock.set(Date.UTC(2026, 0, 3, 2, 29, 58))
    await world.pass(5000)
    expect(await runsOf(stowage)).toHaveLength(1)
    await stowage.policies.remove('p')
    await stowage.policies.add({ ...nightly, schedule: '0 2 * * *' })
    await world.pass(5000)
    expect(await runsOf(stowage)).toHaveLength(1)
  })

  it.for([
    ['skip', 1],
    ['queue', 2],
  ] as const)('that come while a run is under way: %s leads to %i run', async ([overlap, runs]) => {
    const stowage = await world.open([{ ...nightly, schedule: '* * * * *', overlap }])
    await world.a.put('x/1', Buffer.from('one'))
    let open: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const { put } = world.b
    world.b.put = async (...args) => {
      await gate
      return put.apply(world.b, args)
    }
    void stowage.policies.start()
    await world.pass(190_000)
    expect(await runsOf(stowage)).toHaveLength(1)
    expect((await stowage.policies.get('p')).running).toBe(true)
    open()
    await world.until(async () => (await world.holds(world.b))['x/1'] === 'one')
    await world.pass(30_000)
    expect(await runsOf(stowage)).toHaveLength(runs)
    expect((await stowage.policies.get('p')).skipped).toBe(overlap === 'skip' ? 2 : 0)
  })

  it('follow the clocks of their time zone', async () => {
    world.clock.set(Date.UTC(2026, 2, 28, 12))
    const stowage = await world.open([{ ...nightly, timeZone: 'Europe/Berlin' }])
    void stowage.policies.start()
    await world.pass(3000)
    for (const until of [Date.UTC(2026, 2, 29, 0, 59, 55), Date.UTC(2026, 2, 30, 0, 29, 55)]) {
      world.clock.set(until)
      await world.pass(10_000)
    }
    const at = (await runsOf(stowage)).map((time) => new Date(time).toISOString().slice(0, 16))
    expect(at.sort()).toEqual(['2026-03-29T01:00', '2026-03-30T00:30'])
  })

  it('bring versions of datasets that are missing', async () => {
    const stowage = await world.open([
      { id: 'backup', on: 'schedule', from: 'a', to: 'c', schedule: '@hourly', tags: ['keep'] },
    ])
    const { datasets } = stowage.as({ userId: 'ada', userType: 'external' })
    for (const [name, tags] of [
      ['cats', ['keep']],
      ['dogs', []],
    ] as const) {
      const made = await datasets.create({ name, tags: [...tags] })
      const { draft } = await made.draft()
      await draft.put('f', Buffer.from(name))
      await made.publish(draft)
    }
    void stowage.policies.start()
    await world.pass(5000)
    world.clock.set(world.clock.now() + HOUR)
    await world.until(async () => Object.values(await world.holds(world.c)).includes('cats'))
    await world.until(async () => (await stowage.policies.get('backup')).last !== undefined)
    expect(Object.values(await world.holds(world.c))).not.toContain('dogs')
    expect((await stowage.policies.get('backup')).last).toMatchObject({ status: 'success', trigger: 'schedule' })
  })

  it('that failed are tried again, later each time, tell it, and move no watermark', async () => {
    const stowage = await world.open([{ ...nightly, schedule: '0 * * * *' }])
    const { list } = world.a
    world.a.list = () => {
      throw new StowageError('unavailable', 'down')
    }
    void stowage.policies.start()
    await world.pass(2000)
    world.clock.set(Date.UTC(2026, 0, 1, 0, 59, 59))
    await world.until(async () => (await stowage.policies.get('p')).failures >= 2, 200_000)
    const failed = await stowage.policies.get('p')
    expect(failed).toMatchObject({ wanted: 'schedule', last: { status: 'failed' } })
    expect(failed.reconciled).toBeUndefined()
    expect(world.alerts.some(({ message }) => message.startsWith('Policy "p" failed'))).toBe(true)
    world.a.list = list
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined, 400_000)
    const view = await stowage.policies.get('p')
    expect(view).toMatchObject({ failures: 0, last: { status: 'success' } })
    expect(view.wanted).toBeUndefined()
  })
})

describe('publications', () => {
  it('become tasks of the queue where workers are, one for each policy, and no replica is missed', async () => {
    const stowage = await world.open([
      { id: 'inward', on: 'publish', from: '*', to: 'b' },
      { id: 'backup', on: 'publish', from: 'a', to: 'c', priority: 5 },
    ])
    const other = await createStowage(
      { sources: [{ id: 'a', type: 'memory', isPublic: true }] },
      { adapters: { a: world.a }, catalog: world.catalog, clock: world.clock, background: false },
    )
    const { datasets } = other.as({ userId: 'ada', userType: 'external' })
    const cats = await datasets.create({ name: 'cats' })
    const { draft } = await cats.draft()
    await draft.put('f', Buffer.from('cats'))
    await cats.publish(draft)
    const stop = new AbortController()
    const working = stowage.work({ signal: stop.signal })
    await world.until(async () => {
      const replicas = await world.catalog.datasets.listReplicas(cats.id)
      return replicas.length === 3 && replicas.every(({ status }) => status === 'ready')
    })
    await world.pass(20_000)
    const tasks = (await stowage.tasks.list()).filter(({ version }) => version === 1)
    expect(tasks.map(({ policyId, status }) => [policyId, status]).sort()).toEqual([
      ['backup', 'success'],
      ['inward', 'success'],
    ])
    expect(await world.catalog.datasets.takeOutbox(1, 1)).toEqual([])
    stop.abort()
    await world.pass(5000)
    await working
    await other.close()
  })
})

describe('policies of the catalog', () => {
  it('are seen by another process within a second, and refused where the configuration has the id', async () => {
    const [one, two] = [await world.open([nightly]), await world.open()]
    const changes: string[] = []
    one.events.on('policies.changed', ({ changed, removed }) =>
      changes.push(...changed, ...removed.map((id) => `-${id}`)),
    )
    void one.policies.start()
    await world.pass(1000)
    await two.policies.add({ id: 'q', on: 'manual', from: 'a:', to: 'b:' })
    await world.pass(2000)
    expect(changes).toEqual(['q'])
    expect((await one.policies.list()).map(({ id, origin }) => [id, origin])).toEqual([
      ['p', 'file'],
      ['q', 'catalog'],
    ])
    await two.policies.remove('q')
    await world.pass(2000)
    expect(changes).toEqual(['q', '-q'])
    await expect(one.policies.add(nightly)).rejects.toMatchObject({ code: 'configuration', field: 'id' })
    await expect(one.policies.disable('p')).rejects.toMatchObject({ code: 'configuration' })
    await expect(two.policies.add({ ...nightly, to: 'z:' })).rejects.toMatchObject({ code: 'configuration' })
    await expect(two.policies.add({ ...nightly, schedule: 'x' })).rejects.toMatchObject({
      code: 'invalid-request',
      field: 'schedule',
    })
    await two.policies.add(nightly)
    await expect(two.policies.add(nightly)).rejects.toMatchObject({ code: 'invalid-request', field: 'id' })
    await world.pass(2000)
    expect(world.alerts).toMatchObject([{ severity: 'critical', message: expect.stringContaining('"p"') }])
    await expect(world.open([nightly])).rejects.toMatchObject({ code: 'configuration', field: 'id' })
  })

  it('run when they are asked for, here or wherever a scheduler works', async () => {
    const [one, two] = [await world.open(), await world.open()]
    await one.policies.add({ id: 'm', on: 'manual', from: 'a:', to: 'b:', exclude: ['*.tmp'] })
    await world.a.put('k', Buffer.from('1'))
    await world.a.put('k.tmp', Buffer.from('1'))
    const run = await one.policies.run('m')
    expect(run).toMatchObject({ status: 'success', trigger: 'manual', objects: { copied: 1 } })
    expect(await world.holds(world.b)).toEqual({ k: '1' })
    await world.a.put('l', Buffer.from('2'))
    void two.policies.start()
    await world.pass(5000)
    expect(await world.holds(world.b)).toEqual({ k: '1' })
    await one.policies.trigger('m')
    await world.until(async () => (await world.holds(world.b))['l'] === '2', 10_000)
    await expect(one.policies.run('none')).rejects.toMatchObject({ code: 'not-found' })
  })
})
