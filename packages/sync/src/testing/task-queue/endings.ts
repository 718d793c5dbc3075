import { StowageError, type SyncTask } from '@stowage/core'
import { expect, it } from 'vitest'
import type { NewTask } from '../../queue/index.ts'
import { endedAs, type Fresh, someTask, until } from './under-test.ts'

/** How tasks end, and what is kept of them. */
export function endingsTests(fresh: Fresh): void {
  it('tries again what may pass, later each time, and gives up what does not', async () => {
    const bench = await fresh()
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
    const bench = await fresh()
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

  it('keeps tasks that have ended for a time', async () => {
    const bench = await fresh()
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
    const bench = await fresh()
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
}
