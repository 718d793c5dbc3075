import { describe, expect, it } from 'vitest'
import type { SyncResult } from '../run/index.ts'
import { createTasks } from '../state/index.ts'
import { memoryStore } from '../stores/index.ts'
import { endedAs, LeapClock, someTask } from '../testing/index.ts'
import { createTaskQueue } from './index.ts'

function setup() {
  const clock = new LeapClock()
  const store = clock.on(memoryStore())
  const queue = createTaskQueue({ store, clock })
  const work = (run: (id: string, times: number) => Promise<SyncResult['status']>) => {
    const stop = new AbortController()
    let times = 0
    const done = queue.work({
      signal: stop.signal,
      concurrency: 1,
      run: async (task) => {
        const status = await run(task.id, ++times)
        return endedAs(task, status, status === 'failed' ? { error: { code: 'access-denied', message: 'No.' } } : {})
      },
    })
    return async () => {
      stop.abort()
      await done
    }
  }
  const status = async (id: string) =>
    (await createTasks({ store, clock, random: { next: Math.random, id: String } }).get(id))?.status
  return { clock, store, queue, work, status }
}

describe('a task that was to be cancelled just as it ended', () => {
  it.each(['success', 'failed'] as const)('(%s) leaves no wish behind that cancels its next run', async (ends) => {
    const { store, queue, work, status } = setup()
    const { id } = await queue.enqueue(someTask())
    const end = work(async (task, times) => {
      // As a sync does that is asked when it is behind its last look.
      if (times === 1) {
        await queue.cancel(task)
        return ends
      }
      return (await store.get(`cancel/${task}`)) === undefined ? 'success' : 'cancelled'
    })
    await expect.poll(() => status(id)).toBe(ends)
    await expect.poll(async () => (await queue.state(id))?.state ?? 'dead').toBe('dead')
    await queue.retry(id)
    await expect.poll(() => status(id)).toMatch(/success|cancelled/)
    await expect.poll(() => queue.state(id)).toBeUndefined()
    expect(await status(id)).toBe('success')
    await end()
    expect(await store.list('cancel/')).toEqual([])
  })
})

it('a task whose run only helped another one is not begun again at once', async () => {
  const { queue, work } = setup()
  await queue.enqueue(someTask())
  let runs = 0
  const end = work(async () => {
    runs++
    return 'helped'
  })
  await expect.poll(() => runs).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await end()
  expect(runs).toBe(1)
})

it('records at the head of a lane that cannot be read do not hold up what waits behind them', async () => {
  const { queue, work, store, clock, status } = setup()
  for (let i = 0; i < 20; i++) {
    const { id } = await queue.enqueue(someTask({ priority: 10 }))
    const found = await store.get(`queue/entry/${id}`)
    const newer = Buffer.from(found?.value ?? [])
      .toString()
      .replace('"format":1', '"format":99')
    await store.put(`queue/entry/${id}`, Buffer.from(newer), found?.revision ?? null)
  }
  const { id } = await queue.enqueue(someTask())
  const end = work(async () => 'success')
  try {
    await expect
      .poll(() => {
        clock.leap(500)
        return status(id)
      })
      .toBe('success')
  } finally {
    await end()
  }
})
