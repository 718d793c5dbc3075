import { StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import type { SyncResult } from '../../run/index.ts'
import { endedAs, type Fresh, someTask, stopped, until } from './under-test.ts'

/** Tasks that somebody stops. */
export function stoppingTests(fresh: Fresh): void {
  it('pauses what runs when the work ends, and another worker goes on', async () => {
    const bench = await fresh()
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
    const bench = await fresh()
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
    const bench = await fresh()
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
    const bench = await fresh()
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
}
