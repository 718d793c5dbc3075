import { StowageError } from '@stowage/core'
import { Life, mortal } from '@stowage/core/testing'
import { runs } from '@stowage/test-support'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const HOUR = 3_600_000
const byHand: PolicyConfig = { id: 'p', on: 'manual', from: 'a:', to: 'b:' }

let world: World

beforeEach(async () => {
  world = await openWorld(Date.UTC(2026, 0, 1))
})
afterEach(() => world.close())

const put = (key: string): Promise<unknown> => world.a.put(key, Buffer.from('x'))
const keys = async (): Promise<string[]> => Object.keys(await world.holds(world.b))

describe('a policy in the queue', () => {
  it('takes up places at its sources like any other task', async () => {
    const policies = ['p', 'q', 'r', 's'].map((id) => ({ ...byHand, id, from: `a:${id}`, to: `b:${id}` }))
    const queue = { type: 'local' as const, perSource: 1 }
    const [one, two] = [await world.open(policies, { queue }), await world.open(policies, { queue })]
    let [now, most] = [0, 0]
    const { put: write } = world.b
    world.b.put = async (...args) => {
      most = Math.max(most, ++now)
      await world.clock.sleep(3000)
      now--
      return write.apply(world.b, args)
    }
    for (const { id } of policies) await put(`${id}/k`)
    for (const { id } of policies) await one.policies.trigger(id)
    void one.policies.start()
    void two.policies.start()
    await world.until(async () => (await keys()).length === 4)
    expect(most).toBe(1)
  })

  it('is seen while it waits, one task however often it is wished for, and goes before what is less urgent', async () => {
    const first: PolicyConfig = { ...byHand, id: 'first', from: 'c:', to: 'b:first', priority: 10 }
    const stowage = await world.open([byHand, first])
    const scheduling = new AbortController()
    const scheduled = stowage.policies.schedule({ signal: scheduling.signal })
    for (let i = 0; i < 5; i++) {
      await stowage.policies.trigger('p')
      await stowage.policies.trigger('first')
      await world.pass(3000)
    }
    const tasks = await stowage.tasks.list()
    expect(tasks.map(({ policyId, status }) => [policyId, status]).sort()).toEqual([
      ['first', 'pending'],
      ['p', 'pending'],
    ])
    const { taskId = '' } = await stowage.policies.get('p')
    expect(await stowage.tasks.queued(taskId)).toMatchObject({ state: 'waiting', priority: 0 })
    expect(await stowage.tasks.depth()).toMatchObject({ waiting: 2 })
    const ended: string[] = []
    stowage.events.on('task.state', ({ policyId = '', status }) => status === 'success' && ended.push(policyId))
    const stop = new AbortController()
    const working = stowage.work({ signal: stop.signal, concurrency: 1 })
    await world.until(() => ended.includes('p') && ended.includes('first'))
    expect(ended[0]).toBe('first')
    expect(await stowage.tasks.list()).toHaveLength(2)
    stop.abort()
    scheduling.abort()
    await world.pass(5000)
    await working
    await scheduled
  })

  it('is paused, and goes on when it is resumed', async () => {
    const stowage = await world.open([byHand])
    await put('k')
    const { put: write } = world.b
    world.b.put = async (key, body, options) => {
      await world.clock.sleep(10_000, options?.signal)
      return write.call(world.b, key, body, options)
    }
    void stowage.policies.start()
    await stowage.policies.trigger('p')
    await world.until(async () => (await stowage.policies.get('p')).running)
    const { taskId = '' } = await stowage.policies.get('p')
    await stowage.tasks.pause(taskId)
    await world.until(async () => (await stowage.tasks.queued(taskId))?.state === 'paused', 30_000)
    await stowage.policies.trigger('p')
    await world.pass(60_000)
    expect(await keys()).toEqual([])
    await stowage.tasks.resume(taskId)
    await world.until(async () => (await keys()).includes('k'))
    await world.until(async () => (await stowage.tasks.get(taskId)).status === 'success')
  })

  it('is given up when trying again cannot help, tried again an hour later, and at once when somebody asks', async () => {
    const stowage = await world.open([{ ...byHand, on: 'schedule', schedule: '@daily' }])
    await put('k')
    const { put: write } = world.b
    let puts = 0
    world.b.put = () => {
      puts++
      return Promise.reject(new StowageError('access-denied', 'no'))
    }
    void stowage.policies.start()
    await world.pass(2000)
    world.clock.set(Date.UTC(2026, 0, 1, 23, 59, 58))
    await world.until(async () => (await stowage.policies.get('p')).failures === 1)
    await world.pass(20_000)
    const { taskId = '', retryAt = 0, last } = await stowage.policies.get('p')
    expect(await stowage.tasks.queued(taskId)).toMatchObject({ state: 'dead', reason: { code: 'access-denied' } })
    expect(retryAt).toBe((last?.endedAt ?? 0) + HOUR)
    expect(world.alerts.some(({ message }) => message.startsWith('A task was given up'))).toBe(true)
    const before = puts
    await world.pass(600_000)
    expect(puts).toBe(before)
    world.clock.set(retryAt)
    await world.until(async () => (await stowage.policies.get('p')).failures === 2)
    world.b.put = write
    await stowage.tasks.requeue(taskId)
    await world.until(async () => (await keys()).includes('k'), 20_000)
    await world.until(async () => (await stowage.tasks.get(taskId)).status === 'success')
    expect((await stowage.policies.get('p')).failures).toBe(0)
  })

  it('forgets no event when it is cancelled: the next run looks at everything', async () => {
    const events: PolicyConfig = { id: 'p', on: 'event', from: 'a:', to: 'b:', debounceMs: 0 }
    const stowage = await world.open([events])
    void stowage.policies.start()
    await world.until(async () => (await stowage.policies.get('p')).reconciled !== undefined)
    await world.pass(20_000)
    const { put: write } = world.b
    world.b.put = async (key, body, options) => {
      await world.clock.sleep(10_000, options?.signal)
      return write.call(world.b, key, body, options)
    }
    await put('one')
    await world.until(async () => (await stowage.policies.get('p')).running)
    const { taskId = '' } = await stowage.policies.get('p')
    await stowage.tasks.cancel(taskId)
    await world.until(async () => (await stowage.tasks.get(taskId)).status === 'cancelled', 60_000)
    world.b.put = write
    await world.pass(180_000)
    expect(await keys()).toEqual([])
    await put('two')
    await world.until(async () => (await keys()).length === 2)
  })

  it('goes out of the queue when it is removed, and does nothing more', async () => {
    const stowage = await world.open()
    await stowage.policies.add(byHand)
    await put('k')
    const scheduling = new AbortController()
    const scheduled = stowage.policies.schedule({ signal: scheduling.signal })
    await stowage.policies.trigger('p')
    await world.until(async () => (await stowage.policies.get('p')).taskId !== undefined)
    const { taskId = '' } = await stowage.policies.get('p')
    await stowage.policies.remove('p')
    expect(await stowage.tasks.get(taskId)).toMatchObject({ status: 'cancelled' })
    void stowage.policies.start()
    await world.pass(10_000)
    expect(await keys()).toEqual([])
    scheduling.abort()
    await world.pass(1000)
    await scheduled
  })

  it('is run by functions on a timer, in their own process', async () => {
    const stowage = await world.open([byHand, { ...byHand, id: 'q', to: 'c:' }])
    await put('k')
    for (const id of ['p', 'q']) await stowage.policies.trigger(id)
    const due = stowage.policies.runDue()
    await world.pass(5000)
    await due
    expect(await keys()).toEqual(['k'])
    expect(await world.holds(world.c)).toEqual({ k: 'x' })
    expect((await stowage.tasks.list()).map(({ status }) => status)).toEqual(['success', 'success'])
  })

  it.each([
    ['before that has an effect', false],
    ['after that had one', true],
  ] as const)(
    'is one task, whatever call a scheduler dies at, %s',
    async (_, effect) => {
      for (let call = 1; ; call += runs(5, 1)) {
        const own = await openWorld(Date.UTC(2026, 0, 1))
        await own.a.put('k', Buffer.from('x'))
        const living = await own.open([byHand])
        await living.policies.trigger('p')
        const life = new Life(Number.POSITIVE_INFINITY, effect)
        const catalog = { ...own.catalog, sync: mortal(own.catalog.sync, 'records', life) }
        const dying = await own.open([byHand], { catalog })
        life.left = call
        const stop = new AbortController()
        const scheduled = dying.policies.schedule({ signal: stop.signal })
        await own.pass(3000)
        const note = `killed at call ${call}: ${life.last}`
        void living.policies.start()
        await own.until(async () => 'k' in (await own.holds(own.b)))
        // Until no lease of the dead counts any more, and what has no mark was looked for.
        await own.pass(5000)
        own.clock.set(own.clock.now() + 120_000)
        await own.pass(15_000)
        const tasks = await living.tasks.list()
        expect(
          tasks.map(({ policyId, status }) => [policyId, status]),
          note,
        ).toEqual([['p', 'success']])
        expect(await living.tasks.depth(), note).toEqual({ waiting: 0, running: 0, delayed: 0, paused: 0, dead: 0 })
        stop.abort()
        await own.pass(1000)
        await scheduled
        await own.close()
        if (!life.dead) break
      }
    },
    600_000,
  )
})
