import { StowageError, type SyncTask } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { describe, expect, it, vi } from 'vitest'
import type { Hands, NewTask } from '../../queue/index.ts'
import type { SyncResult } from '../../run/index.ts'
import { Bench, endedAs, someTask, type TaskQueueUnderTest } from './under-test.ts'

/** A kind of queue, to the contract suite. */
export interface TaskQueueSuite {
  /** What the tests are called. */
  name: string
  /** Makes an empty queue. */
  create(): Promise<TaskQueueUnderTest>
}

const patience = { timeout: 120_000, interval: 20 }

/** Resolves when the signal fires. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/**
 * The contract of {@link TaskService}, as tests, for a store with a carrier or without. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testTaskQueue({ name: 'memory', create: async () => ({ store: memoryStore(), cleanup: async () => {} }) })
 * ```
 */
export function testTaskQueue({ name, create }: TaskQueueSuite): void {
  const make = () => Bench.make(create)
  const until = (check: () => Promise<void>) => vi.waitFor(check, patience)

  describe(`task queue: ${name}`, { timeout: 240_000 }, () => {
    it('does each task once, whichever worker takes it', async () => {
      const bench = await make()
      const [one, two] = [await bench.service(), await bench.service()]
      const seen: string[] = []
      const run = async (task: SyncTask) => {
        seen.push(task.id)
        return endedAs(task, 'success')
      }
      const ids = await Promise.all(Array.from({ length: 20 }, async () => (await one.enqueue(someTask())).id))
      expect((await bench.task(ids[0] as string))?.status).toBe('pending')
      bench.work(one, { run, concurrency: 2 })
      bench.work(two, { run, concurrency: 2 })
      await until(async () =>
        expect(await one.depth()).toEqual({ waiting: 0, running: 0, delayed: 0, paused: 0, dead: 0 }),
      )
      expect([...seen].sort()).toEqual([...ids].sort())
      expect((await bench.task(ids[3] as string))?.status).toBe('success')
      expect(await one.state(ids[3] as string)).toBeUndefined()
      expect(bench.alerts).toEqual([])
    })

    it('takes what is more urgent first, and what came earlier of the same', async () => {
      const bench = await make()
      const service = await bench.service()
      const seen: string[] = []
      const wanted = { 'c/': 0, 'd/': -5, 'a/': 7, 'b/': 7 }
      for (const [sourcePrefix, priority] of Object.entries(wanted)) {
        await service.enqueue(someTask({ sourcePrefix, priority }))
        await bench.leap(10)
      }
      bench.work(service, {
        concurrency: 1,
        run: async (task) => {
          seen.push(task.sourcePrefix)
          return endedAs(task, 'success')
        },
      })
      await until(async () => expect(seen).toHaveLength(4))
      expect(seen).toEqual(['a/', 'b/', 'c/', 'd/'])
    })

    it('lets nothing wait for ever behind what is more urgent', async () => {
      const bench = await make()
      const service = await bench.service()
      await service.enqueue(someTask({ sourcePrefix: 'old/' }))
      await bench.leap(11 * 60_000)
      await service.enqueue(someTask({ sourcePrefix: 'urgent/', priority: 2 }))
      const seen: string[] = []
      bench.work(service, {
        concurrency: 1,
        run: async (task) => {
          seen.push(task.sourcePrefix)
          return endedAs(task, 'success')
        },
      })
      await until(async () => expect(seen).toEqual(['old/', 'urgent/']))
    })

    it('waits for the time of a task', async () => {
      const bench = await make()
      const service = await bench.service()
      const run = vi.fn(async (task: SyncTask) => endedAs(task, 'success'))
      await service.enqueue(someTask({ notBefore: bench.clock.now() + 3_600_000 }))
      const now = await service.enqueue(someTask())
      bench.work(service, { run })
      await until(async () => expect(run).toHaveBeenCalledTimes(1))
      expect(run.mock.calls[0]?.[0].id).toBe(now.id)
      expect(await service.depth()).toMatchObject({ delayed: 1 })
      await bench.leap(3_600_000)
      await service.sweep()
      await until(async () => expect(run).toHaveBeenCalledTimes(2))
    })

    it('makes one task of many with the same key, until it begins', async () => {
      const bench = await make()
      const [one, two] = [await bench.service(), await bench.service()]
      const many = await Promise.all(
        Array.from({ length: 12 }, (_, i) => (i % 2 ? one : two).enqueue(someTask({ key: 'k' }))),
      )
      const ids = new Set(many.map(({ id }) => id))
      expect(ids.size).toBe(1)
      expect((await one.enqueue(someTask({ key: 'other' }))).id).not.toBe(many[0]?.id)
      const begun = Promise.withResolvers<void>()
      const go = Promise.withResolvers<void>()
      const runs: string[] = []
      bench.work(one, {
        concurrency: 4,
        run: async (task) => {
          runs.push(task.id)
          if (ids.has(task.id)) begun.resolve()
          await go.promise
          return endedAs(task, 'success')
        },
      })
      await begun.promise
      const next = await two.enqueue(someTask({ key: 'k' }))
      expect(ids.has(next.id)).toBe(false)
      go.resolve()
      await until(async () => expect(new Set(runs).size).toBe(3))
      await until(async () => expect(await one.depth()).toMatchObject({ waiting: 0, running: 0 }))
      expect(ids.has((await two.enqueue(someTask({ key: 'k' }))).id)).toBe(false)
    })

    it('tries again what may pass, later each time, and gives up what does not', async () => {
      const bench = await make()
      const service = await bench.service()
      let runs = 0
      bench.work(service, {
        run: async (task) => {
          if (task.sourcePrefix === 'never/') throw new StowageError('access-denied', 'no')
          runs++
          return endedAs(task, 'failed', { error: { code: 'unavailable', message: 'away' } })
        },
      })
      const denied = await service.enqueue(someTask({ sourcePrefix: 'never/' }))
      const away = await service.enqueue(someTask({ maxAttempts: 2 }))
      await until(async () => expect(await service.state(denied.id)).toMatchObject({ state: 'dead', attempts: 1 }))
      await until(async () => expect(await service.state(away.id)).toMatchObject({ state: 'waiting', attempts: 1 }))
      expect(await bench.task(away.id)).toMatchObject({ status: 'pending', errorCode: 'unavailable', retryCount: 1 })
      await bench.leap(700_000)
      await service.sweep()
      await until(async () => expect(await service.state(away.id)).toMatchObject({ state: 'dead', attempts: 2 }))
      expect(runs).toBe(2)
      await until(async () => expect(await service.depth()).toMatchObject({ running: 0, dead: 2 }))
      const dead: SyncTask[] = []
      for await (const task of service.dead()) dead.push(task)
      expect(dead.map(({ id, errorCode, status }) => [id, errorCode, status])).toEqual([
        [denied.id, 'access-denied', 'failed'],
        [away.id, 'unavailable', 'failed'],
      ])
      await service.retry(away.id)
      await until(async () => expect(runs).toBe(3))
    })

    it('counts no try when another run is at the same places', async () => {
      const bench = await make()
      const service = await bench.service()
      let runs = 0
      const { id } = await service.enqueue(someTask())
      bench.work(service, {
        run: async (task) => {
          if (++runs < 5) throw new StowageError('lease-held', 'busy')
          return endedAs(task, 'success')
        },
      })
      await until(async () => {
        const state = await service.state(id)
        if (state !== undefined) expect(state.attempts).toBe(0)
        await bench.leap(2000)
        expect((await bench.task(id))?.status).toBe('success')
      })
      expect(runs).toBe(5)
    })

    it('pauses what runs when the work ends, and another worker goes on', async () => {
      const bench = await make()
      const [one, two] = [await bench.service(), await bench.service()]
      const { id } = await one.enqueue(someTask())
      const begun = Promise.withResolvers<void>()
      const stop = bench.work(one, {
        run: async (task, signal) => {
          begun.resolve()
          await stopped(signal)
          return endedAs(task, 'paused')
        },
      })
      await begun.promise
      await stop()
      expect(await two.state(id)).toMatchObject({ state: 'waiting', attempts: 0 })
      bench.work(two, { run: async (task) => endedAs(task, 'success') })
      await until(async () => expect((await bench.task(id))?.status).toBe('success'))
    })

    it('pauses and resumes, what waits and what runs', async () => {
      const bench = await make()
      const service = await bench.service()
      const [waits, runs] = [await service.enqueue(someTask({ priority: 1 })), await service.enqueue(someTask())]
      await service.pause(waits.id)
      expect(await bench.task(waits.id)).toMatchObject({ status: 'paused' })
      const seen: string[] = []
      let slow = true
      bench.work(service, {
        run: async (task, signal) => {
          seen.push(task.id)
          if (slow) await stopped(signal)
          return endedAs(task, slow ? 'paused' : 'success')
        },
      })
      await until(async () => expect(seen).toEqual([runs.id]))
      await service.pause(runs.id)
      await until(async () => expect(await service.state(runs.id)).toMatchObject({ state: 'paused', attempts: 0 }))
      await until(async () => expect(await service.depth()).toMatchObject({ waiting: 0, running: 0, paused: 2 }))
      await service.sweep()
      slow = false
      await service.resume(runs.id)
      await service.resume(waits.id)
      await until(async () => expect(seen).toHaveLength(3))
      await until(async () => expect(await service.state(waits.id)).toBeUndefined())
      await expectCode(service.pause(waits.id), 'conflict')
      await expectCode(service.resume('nothing'), 'not-found')
    })

    it('cancels for good, what waits and what runs', async () => {
      const bench = await make()
      const service = await bench.service()
      const waits = await service.enqueue(someTask({ notBefore: bench.clock.now() + 60_000 }))
      await service.cancel(waits.id)
      expect(await bench.task(waits.id)).toMatchObject({ status: 'cancelled' })
      expect(await service.state(waits.id)).toBeUndefined()
      const runs = await service.enqueue(someTask())
      const begun = Promise.withResolvers<void>()
      bench.work(service, {
        run: async (task): Promise<SyncResult> => {
          begun.resolve()
          await until(async () => expect(await bench.store.get(`cancel/${task.id}`)).toBeDefined())
          return endedAs(task, 'cancelled')
        },
      })
      await begun.promise
      await service.cancel(runs.id)
      await until(async () => expect((await bench.task(runs.id))?.status).toBe('cancelled'))
      await until(async () => expect(await bench.store.get(`cancel/${runs.id}`)).toBeUndefined())
      await service.cancel(runs.id)
      await expectCode(service.cancel('nothing'), 'not-found')
    })

    it('is cancelled, and not given up, when its run fails for good after it was cancelled', async () => {
      const bench = await make()
      const service = await bench.service()
      const { id } = await service.enqueue(someTask({ maxAttempts: 1 }))
      const begun = Promise.withResolvers<void>()
      const go = Promise.withResolvers<void>()
      let times = 0
      bench.work(service, {
        run: async (task) => {
          begun.resolve()
          await go.promise
          if (++times > 1) return endedAs(task, 'success')
          throw new StowageError('access-denied', 'no')
        },
      })
      await begun.promise
      await service.cancel(id)
      go.resolve()
      await until(async () => expect((await bench.task(id))?.status).toBe('cancelled'))
      await until(async () => expect(await service.state(id)).toBeUndefined())
      await until(async () => expect(await bench.store.get(`cancel/${id}`)).toBeUndefined())
      expect(await service.depth()).toMatchObject({ dead: 0 })
      expect(bench.alerts).toEqual([])
      // The request does not meet a run that is asked for later.
      await service.retry(id)
      await until(async () => expect((await bench.task(id))?.status).toBe('success'))
    })

    it('gives the task of a dead worker to another one, at once on the same machine', async () => {
      const bench = await make()
      const owner = bench.owner()
      const [dying, living] = [await bench.service({ owner }), await bench.service()]
      const { id } = await dying.enqueue(someTask())
      const begun = Promise.withResolvers<void>()
      const released = Promise.withResolvers<void>()
      bench.work(dying, {
        concurrency: 1,
        run: async (task) => {
          begun.resolve()
          await released.promise
          return endedAs(task, 'paused')
        },
      })
      await begun.promise
      try {
        bench.dead.add(owner.identity.pid)
        expect(await living.sweep()).toBe(1)
        bench.work(living, { run: async (task) => endedAs(task, 'success') })
        await until(async () => expect((await bench.task(id))?.status).toBe('success'))
      } finally {
        released.resolve()
      }
      await until(async () => expect(await living.state(id)).toBeUndefined())
      expect((await bench.task(id))?.status).toBe('success')
    })

    it('keeps to the number of tasks of one source, over all workers', async () => {
      const bench = await make()
      const services = [await bench.service(), await bench.service(), await bench.service()]
      const running = new Map<string, number>()
      const most = new Map<string, number>()
      let done = 0
      const run = async (task: SyncTask) => {
        for (const id of [task.sourceId, task.targetId]) {
          running.set(id, (running.get(id) ?? 0) + 1)
          most.set(id, Math.max(most.get(id) ?? 0, running.get(id) ?? 0))
        }
        await new Promise((resolve) => setImmediate(resolve))
        for (const id of [task.sourceId, task.targetId]) running.set(id, (running.get(id) ?? 0) - 1)
        done++
        return endedAs(task, 'success')
      }
      for (let i = 0; i < 12; i++)
        await services[0]?.enqueue(someTask({ sourceId: `s${i % 3}`, targetId: i % 2 ? 'b' : 'c' }))
      for (const service of services) bench.work(service, { run, concurrency: 4, perSource: 2 })
      await until(async () => {
        await bench.leap(500)
        expect(done).toBe(12)
      })
      for (const [id, count] of most) expect(count, id).toBeLessThanOrEqual(2)
    })

    it('keeps tasks that have ended for a time', async () => {
      const bench = await make()
      const service = await bench.service({ retention: { ms: 60_000, count: 3 } })
      bench.work(service, { concurrency: 1, run: async (task) => endedAs(task, 'success') })
      const ids: string[] = []
      for (let i = 0; i < 5; i++) ids.push((await service.enqueue(someTask())).id)
      await until(async () => expect((await bench.task(ids[4] as string))?.status).toBe('success'))
      await until(async () => expect(await bench.store.list('queue/entry/')).toEqual([]))
      await service.sweep()
      const kept = await Promise.all(ids.map(async (id) => (await bench.task(id)) !== undefined))
      expect(kept.filter(Boolean)).toHaveLength(3)
      await bench.leap(120_000)
      await service.sweep()
      expect(await bench.store.list('task/')).toEqual([])
      expect(await bench.store.list('queue/ended/')).toEqual([])
    })

    it('keeps the newest tasks of each policy, and leaves the others room', async () => {
      const bench = await make()
      const service = await bench.service({ retention: { perPolicy: 2 } })
      bench.work(service, { concurrency: 1, run: async (task) => endedAs(task, 'success') })
      const others = [someTask(), someTask({ policyId: 'busy' })]
      const ids: string[][] = [[], [], []]
      const end = async (i: number, task: NewTask): Promise<void> => {
        const { id } = await service.enqueue(task)
        ids[i]?.push(id)
        await until(async () => expect(await service.state(id)).toBeUndefined())
        await bench.leap(5)
      }
      for (const task of others) await end(0, task)
      await end(1, someTask({ policyId: 'calm', noted: true }))
      for (let i = 0; i < 5; i++) await end(2, someTask({ policyId: 'busy', noted: true }))
      await service.sweep()
      const [rest = [], calm = [], busy = []] = ids
      const kept = async (some: string[]) => Promise.all(some.map(async (id) => (await bench.task(id))?.status))
      expect(await kept([...rest, ...calm])).toEqual(['success', 'success', 'success'])
      expect(await kept(busy)).toEqual([undefined, undefined, undefined, 'success', 'success'])
      expect(await bench.store.list('queue/ended/')).toHaveLength(5)
      await service.sweep()
      expect(await bench.store.list('queue/ended/')).toHaveLength(5)
    })

    it('lets idle workers help with a task that has partitions for them, as long as it runs', async () => {
      const bench = await make()
      const [one, two] = [await bench.service(), await bench.service()]
      const go = Promise.withResolvers<void>()
      const helped: AbortSignal[] = []
      const run = async (task: SyncTask, signal: AbortSignal, hands: Hands): Promise<SyncResult> => {
        if (hands.join) {
          helped.push(signal)
          await stopped(signal)
          return endedAs(task, 'paused')
        }
        hands.onPartitions(3)
        await Promise.race([go.promise, stopped(signal)])
        return endedAs(task, signal.aborted ? 'paused' : 'success')
      }
      const { id } = await one.enqueue(someTask())
      bench.work(one, { run, concurrency: 1 })
      await until(async () => expect(await one.state(id)).toMatchObject({ state: 'running' }))
      bench.work(two, { run, concurrency: 1 })
      await until(async () => expect(helped).toHaveLength(1))
      await one.pause(id)
      await until(async () => expect(helped[0]?.aborted).toBe(true))
      await until(async () => expect(await one.state(id)).toMatchObject({ state: 'paused' }))
      await one.resume(id)
      await until(async () => expect(helped).toHaveLength(2))
      go.resolve()
      await until(async () => expect((await bench.task(id))?.status).toBe('success'))
      await until(async () => expect(helped[1]?.aborted).toBe(true))
      expect(await bench.store.list('queue/help/')).toEqual([])
      expect(bench.alerts).toEqual([])
    })

    it('refuses what makes no sense, and names the field', async () => {
      const service = await (await make()).service()
      for (const [field, change] of Object.entries({
        sourceId: { sourceId: '' },
        priority: { priority: 1000 },
        maxAttempts: { maxAttempts: 0 },
        notBefore: { notBefore: Number.NaN },
        key: { key: '' },
      })) {
        const error = await expectCode(service.enqueue(someTask(change)), 'invalid-request')
        expect(error.field).toBe(field)
      }
      const signal = AbortSignal.abort()
      const run = async (task: SyncTask) => endedAs(task, 'success')
      await expectCode(service.work({ run, signal, concurrency: 0 }), 'invalid-request')
      expect(await service.depth()).toEqual({ waiting: 0, running: 0, delayed: 0, paused: 0, dead: 0 })
    })
  })
}
