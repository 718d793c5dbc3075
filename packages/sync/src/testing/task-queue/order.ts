import type { SyncTask } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect, it, vi } from 'vitest'
import { endedAs, type Fresh, someTask, until } from './under-test.ts'

/** What is taken, and when. */
export function orderTests(fresh: Fresh): void {
  it('takes what is more urgent first, and what came earlier of the same', async () => {
    const bench = await fresh()
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
    const bench = await fresh()
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
    const bench = await fresh()
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
    const bench = await fresh()
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

  it('refuses what makes no sense, and names the field', async () => {
    const service = await (await fresh()).service()
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
}
