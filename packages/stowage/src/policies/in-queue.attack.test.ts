import { StowageError } from '@stowage/core'
import { createTaskQueue } from '@stowage/sync'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const byHand: PolicyConfig = { id: 'p', on: 'manual', from: 'a:', to: 'b:' }

let world: World

beforeEach(async () => {
  world = await openWorld(Date.UTC(2026, 0, 1))
})
afterEach(() => world.close())

const put = (key: string): Promise<unknown> => world.a.put(key, Buffer.from('x'))
const keys = async (): Promise<string[]> => Object.keys(await world.holds(world.b))

/** Writes to the target take this long, unless they are given up. */
function slow(ms: number): () => void {
  const { put: write } = world.b
  world.b.put = async (key, body, options) => {
    await world.clock.sleep(ms, options?.signal)
    return write.call(world.b, key, body, options)
  }
  return () => {
    world.b.put = write
  }
}

/** The task of the policy as it waits in the queue, with nobody at work. */
async function waitingTask({ policies }: Stowage): Promise<string> {
  const scheduling = new AbortController()
  const scheduled = policies.schedule({ signal: scheduling.signal })
  await policies.trigger('p')
  await world.until(async () => (await policies.get('p')).taskId !== undefined)
  scheduling.abort()
  await world.pass(1000)
  await scheduled
  return (await policies.get('p')).taskId ?? ''
}

describe('a task of a policy', () => {
  it('waits for a worker that knows the policy, and is not given up by one that does not', async () => {
    const stranger = await world.open([])
    const knows = await world.open([byHand])
    await put('k')
    void stranger.policies.start()
    const scheduling = new AbortController()
    const scheduled = knows.policies.schedule({ signal: scheduling.signal })
    await knows.policies.trigger('p')
    await world.pass(60_000)
    const { taskId = '' } = await knows.policies.get('p')
    expect((await knows.tasks.queued(taskId))?.state).toBe('waiting')
    expect(world.alerts).toEqual([])
    await stranger.policies.stop()
    void knows.policies.start()
    await world.until(async () => (await keys()).includes('k'), 700_000)
    scheduling.abort()
    await world.pass(1000)
    await scheduled
  })

  it('is cancelled when the policy is removed while it runs, and is no trouble', async () => {
    const stowage = await world.open()
    await stowage.policies.add(byHand)
    await put('k')
    slow(10_000)
    void stowage.policies.start()
    await stowage.policies.trigger('p')
    await world.until(async () => (await stowage.policies.get('p')).running)
    const { taskId = '' } = await stowage.policies.get('p')
    await world.pass(2000)
    await stowage.policies.remove('p')
    await world.until(async () => (await stowage.tasks.queued(taskId)) === undefined, 60_000)
    expect(await stowage.tasks.get(taskId)).toMatchObject({ status: 'cancelled' })
    expect(world.alerts).toEqual([])
    expect(await keys()).toEqual([])
  })

  it('that begins just as the policy is removed leaves nothing of that behind', async () => {
    const [stowage, other] = [await world.open(), await world.open()]
    await stowage.policies.add(byHand)
    await put('k')
    const taskId = await waitingTask(stowage)
    const { sync } = world.catalog
    const get = sync.get.bind(sync)
    let isRemoved = false
    sync.get = async (key) => {
      if (key === 'policy/state/p' && !isRemoved && (await stowage.tasks.queued(taskId))?.state === 'running') {
        isRemoved = true
        await other.policies.remove('p')
      }
      return await get(key)
    }
    void stowage.policies.start()
    await world.until(async () => (await stowage.tasks.get(taskId)).status === 'cancelled')
    await world.pass(5000)
    expect(isRemoved).toBe(true)
    expect(await sync.list('policy/state/')).toEqual([])
    expect(await keys()).toEqual([])
    expect(world.alerts).toEqual([])
  })

  it('is cancelled when the policy was removed while it waited for another try', async () => {
    const stowage = await world.open()
    await stowage.policies.add(byHand)
    await put('k')
    const { put: write } = world.b
    world.b.put = () => Promise.reject(new StowageError('unavailable', 'down'))
    void stowage.policies.start()
    await stowage.policies.trigger('p')
    await world.until(async () => (await stowage.policies.get('p')).failures === 1)
    world.b.put = write
    const { taskId = '' } = await stowage.policies.get('p')
    await world.until(async () => (await stowage.tasks.queued(taskId))?.state === 'waiting')
    world.alerts.length = 0
    await stowage.policies.remove('p')
    await world.until(async () => (await stowage.tasks.queued(taskId)) === undefined, 1_200_000)
    expect(await stowage.tasks.get(taskId)).toMatchObject({ status: 'cancelled' })
    expect(world.alerts).toEqual([])
    expect(await keys()).toEqual([])
  })

  it('that was given up before its policy had a word in it waits its hour', async () => {
    const stowage = await world.open([byHand])
    await put('k')
    let runs = 0
    const taskId = await waitingTask(stowage)
    // What takes it has no idea how: it is given up, and the policy's record says nothing of it.
    const queue = createTaskQueue({ store: world.catalog.sync, clock: world.clock })
    const other = new AbortController()
    const working = queue.work({
      signal: other.signal,
      run: () => {
        runs++
        return Promise.reject(new StowageError('internal', 'no idea', { retryable: false }))
      },
    })
    const again = new AbortController()
    const scheduledAgain = stowage.policies.schedule({ signal: again.signal })
    await world.pass(300_000)
    expect((await stowage.tasks.queued(taskId))?.state).toBe('dead')
    expect(runs).toBe(1)
    world.clock.set(world.clock.now() + 3_600_000)
    await world.until(() => runs === 2)
    other.abort()
    again.abort()
    await world.pass(5000)
    await Promise.all([working, scheduledAgain])
  })

  it('is cancelled while it brings versions of datasets', async () => {
    const stowage = await world.open([{ id: 'd', on: 'manual', from: 'a', to: 'b' }])
    for (const name of ['cats', 'dogs', 'cows']) {
      const made = await stowage.as({ userId: 'ada', userType: 'external' }).datasets.create({ name })
      const { draft } = await made.draft()
      await draft.put('f', Buffer.from(name))
      await made.publish(draft)
    }
    slow(20_000)
    void stowage.policies.start()
    await stowage.policies.trigger('d')
    await world.until(async () => (await stowage.policies.get('d')).running)
    const { taskId = '' } = await stowage.policies.get('d')
    await world.pass(2000)
    await stowage.tasks.cancel(taskId)
    await world.until(async () => (await stowage.tasks.queued(taskId)) === undefined, 600_000)
    expect(await stowage.tasks.get(taskId)).toMatchObject({ status: 'cancelled' })
    expect(await keys()).toEqual([])
  })
})
