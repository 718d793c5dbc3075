import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const byHand: PolicyConfig = { id: 'p', on: 'manual', from: 'a:', to: 'b:' }
const byEvents: PolicyConfig = { id: 'p', on: 'event', from: 'a:', to: 'b:', debounceMs: 30_000 }

let world: World

beforeEach(async () => {
  world = await openWorld(Date.UTC(2026, 0, 1))
  await world.a.put('k', Buffer.from('x'))
})
afterEach(() => world.close())

const stateOf = async ({ policies }: Stowage): Promise<string> => (await policies.get('p')).state

/** Lets a policy be put into the queue, or what is in there be done, for a while. */
async function during({ policies }: Stowage, what: 'schedule' | 'start'): Promise<void> {
  const stop = new AbortController()
  const ended = policies[what]({ signal: stop.signal })
  await world.pass(5000)
  stop.abort()
  await world.pass(5000)
  await ended
}

describe('the state of a policy', () => {
  it('is waiting from when it is asked for until it runs, and paused while its task is', async () => {
    const stowage = await world.open([byHand])
    const { policies, tasks } = stowage
    expect(await stateOf(stowage)).toBe('idle')
    await policies.trigger('p')
    expect(await stateOf(stowage)).toBe('waiting')
    await during(stowage, 'schedule')
    expect(await stateOf(stowage)).toBe('waiting')
    const { taskId = '' } = await policies.get('p')
    await tasks.pause(taskId)
    expect(await stateOf(stowage)).toBe('paused')
    await tasks.resume(taskId)
    // Another process does what was wished for; the task still waits for its turn.
    await policies.run('p')
    expect(await policies.get('p')).toMatchObject({ state: 'waiting', last: { status: 'success' } })
    await during(stowage, 'start')
    expect(await stateOf(stowage)).toBe('idle')
  })

  it('is waiting while events are noted, before and after they lead to a task', async () => {
    const stowage = await world.open([byEvents])
    const { policies, tasks } = stowage
    const stop = new AbortController()
    const scheduled = policies.schedule({ signal: stop.signal })
    await world.until(async () => (await policies.get('p')).taskId !== undefined)
    await policies.run('p')
    await tasks.cancel((await policies.get('p')).taskId ?? '')
    // What is noted after that is not cancelled with it.
    await world.pass(1000)
    expect(await stateOf(stowage)).toBe('idle')
    await world.a.put('k', Buffer.from('y'))
    await world.pass(5000)
    expect(await policies.get('p')).not.toHaveProperty('wanted')
    expect(await tasks.depth()).toMatchObject({ waiting: 0 })
    expect(await stateOf(stowage)).toBe('waiting')
    await world.until(async () => (await tasks.depth()).waiting === 1)
    expect(await policies.get('p')).not.toHaveProperty('wanted')
    expect(await stateOf(stowage)).toBe('waiting')
    stop.abort()
    await world.pass(1000)
    await scheduled
  })

  it('is off when it does not act by itself, unless somebody asked for it', async () => {
    const stowage = await world.open([{ ...byHand, enabled: false }])
    expect(await stateOf(stowage)).toBe('off')
    await stowage.policies.trigger('p')
    expect(await stateOf(stowage)).toBe('waiting')
    await during(stowage, 'start')
    expect(await stateOf(stowage)).toBe('off')
    expect(await world.holds(world.b)).toEqual({ k: 'x' })
  })

  it('is running while somebody runs it, also one that is off', async () => {
    const stowage = await world.open([{ ...byHand, enabled: false }])
    const { put } = world.b
    world.b.put = async (key, body, options) => {
      await world.clock.sleep(3000, options?.signal)
      return put.call(world.b, key, body, options)
    }
    const run = stowage.policies.run('p')
    await world.pass(1000)
    expect(await stateOf(stowage)).toBe('running')
    await world.pass(5000)
    await run
    expect(await stateOf(stowage)).toBe('off')
  })
})
