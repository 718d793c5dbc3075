import type { SyncTask } from '@stowage/core'
import { expect, it } from 'vitest'
import type { Hands } from '../../queue/index.ts'
import type { SyncResult } from '../../run/index.ts'
import { endedAs, type Fresh, someTask, stopped, until } from './under-test.ts'

/** Several workers at one queue. */
export function sharingTests(fresh: Fresh): void {
  it('does each task once, whichever worker takes it', async () => {
    const bench = await fresh()
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

  it('gives the task of a dead worker to another one, at once on the same machine', async () => {
    const bench = await fresh()
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
    const bench = await fresh()
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

  it('lets idle workers help with a task that has partitions for them, as long as it runs', async () => {
    const bench = await fresh()
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
}
