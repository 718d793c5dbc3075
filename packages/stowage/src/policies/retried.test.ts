import { Life, mortal } from '@stowage/core/testing'
import { runs } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const byHand: PolicyConfig = { id: 'p', on: 'manual', from: 'a:', to: 'b:' }

/** A world with a worker that has a task of the policy, which was paused, resumed and cancelled before anything was copied. */
async function cancelled(): Promise<{ world: World; worker: Stowage; taskId: string }> {
  const world = await openWorld(Date.UTC(2026, 0, 1))
  for (const key of ['one', 'two', 'three']) await world.a.put(key, Buffer.from('x'))
  const { put } = world.b
  world.b.put = async (key, body, options) => {
    await world.clock.sleep(20_000, options?.signal)
    return put.call(world.b, key, body, options)
  }
  const worker = await world.open([byHand])
  const { policies, tasks } = worker
  void policies.start()
  await policies.trigger('p')
  await world.until(async () => (await policies.get('p')).running)
  const { taskId = '' } = await policies.get('p')
  await tasks.pause(taskId)
  await world.until(async () => (await tasks.queued(taskId))?.state === 'paused')
  await tasks.resume(taskId)
  await world.until(async () => (await policies.get('p')).running)
  await tasks.cancel(taskId)
  await world.until(async () => (await tasks.queued(taskId)) === undefined)
  expect((await tasks.get(taskId)).status).toBe('cancelled')
  world.b.put = put
  await world.pass(15_000)
  return { world, worker, taskId }
}

/** The one task there is has done all the work, and says so. */
async function expectDone(world: World, { policies, tasks }: Stowage, taskId: string, note?: string): Promise<void> {
  await world.until(async () => (await policies.get('p')).last?.status === 'success')
  await world.pass(15_000)
  expect(
    (await tasks.list()).map(({ id, status, objects }) => [id, status, objects.copied]),
    note,
  ).toEqual([[taskId, 'success', 3]])
  expect((await policies.get('p')).taskId, note).toBe(taskId)
  expect(await tasks.depth(), note).toEqual({ waiting: 0, running: 0, delayed: 0, paused: 0, dead: 0 })
  expect(Object.keys(await world.holds(world.b)).sort(), note).toEqual(['one', 'three', 'two'])
}

describe('a task of a policy that was cancelled and is retried', () => {
  it('is the one that does the work, whatever call of the retry a worker comes between', async () => {
    for (let call = 1, last = false; !last; call++) {
      const { world, worker, taskId } = await cancelled()
      let calls = 0
      const { sync } = world.catalog
      const meddled = new Proxy(sync, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as unknown
          if (typeof value !== 'function') return value
          return async (...args: unknown[]) => {
            if (++calls === call) await world.pass(5000)
            return (await Reflect.apply(value, target, args)) as unknown
          }
        },
      })
      const other = await world.open([byHand], { catalog: { ...world.catalog, sync: meddled } })
      calls = 0
      await other.tasks.requeue(taskId)
      last = calls < call
      await expectDone(world, worker, taskId, `a worker came before call ${call}`)
      await world.close()
    }
  }, 600_000)

  it.each([
    ['before that has an effect', false],
    ['after that had one', true],
  ] as const)(
    'is no two tasks, whatever call its retry dies at, %s',
    async (_, effect) => {
      for (let call = 1, last = false; !last; call += runs(4, 1)) {
        const { world, worker, taskId } = await cancelled()
        const life = new Life(Number.POSITIVE_INFINITY, effect)
        const catalog = { ...world.catalog, sync: mortal(world.catalog.sync, 'records', life) }
        const dying = await world.open([byHand], { catalog })
        life.left = call
        void dying.tasks.requeue(taskId).catch(() => undefined)
        // What has no mark is looked for once a minute.
        await world.pass(75_000)
        last = !life.dead
        // Either it left nothing behind, or a worker has made up for the rest of it.
        if (life.dead && (await worker.tasks.get(taskId)).status === 'cancelled') await worker.tasks.requeue(taskId)
        await expectDone(world, worker, taskId, `killed at call ${call}: ${life.last}`)
        await world.close()
      }
    },
    600_000,
  )
})

describe('a task of a policy that is retried', () => {
  it('is refused while the policy has another one in the queue, which does the same', async () => {
    const world = await openWorld(Date.UTC(2026, 0, 1))
    const { policies, tasks } = await world.open([byHand])
    const stop = new AbortController()
    void policies.start({ signal: stop.signal })
    await policies.trigger('p')
    await world.until(async () => (await policies.get('p')).last?.status === 'success')
    const { taskId: first = '' } = await policies.get('p')
    await world.pass(15_000)
    stop.abort()
    await world.pass(5000)
    const scheduling = new AbortController()
    void policies.schedule({ signal: scheduling.signal })
    await policies.trigger('p')
    await world.until(async () => (await policies.get('p')).taskId !== first)
    const { taskId: second = '' } = await policies.get('p')
    await expect(tasks.requeue(first)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(second),
    })
    expect(await tasks.queued(first)).toBeUndefined()
    await tasks.requeue(second)
    expect((await tasks.queued(second))?.state).toBe('waiting')
    await world.close()
  })

  it('that is paused stays so, and nothing more is wished for', async () => {
    const world = await openWorld(Date.UTC(2026, 0, 1))
    const { policies, tasks } = await world.open([byHand])
    const scheduling = new AbortController()
    void policies.schedule({ signal: scheduling.signal })
    await policies.trigger('p')
    await world.until(async () => (await policies.get('p')).taskId !== undefined)
    const { taskId = '' } = await policies.get('p')
    await tasks.pause(taskId)
    const { sync } = world.catalog
    const before = await sync.get('policy/state/p')
    await expect(tasks.requeue(taskId)).rejects.toMatchObject({ code: 'conflict' })
    expect((await sync.get('policy/state/p'))?.revision).toBe(before?.revision)
    scheduling.abort()
    await world.close()
  })
})
