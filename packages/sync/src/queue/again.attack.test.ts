import { systemRandom } from '@stowage/core'
import { describe, expect, it } from 'vitest'
import type { SyncResult } from '../run/index.ts'
import { createTasks } from '../state/index.ts'
import { memoryStore } from '../stores/index.ts'
import { endedAs, LeapClock, someTask } from '../testing/index.ts'
import { Entries } from './entries.ts'
import { createTaskQueue } from './index.ts'
import { TaskRecords } from './task-records.ts'
import { takeBack } from './worker.ts'

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
  it.each([
    ['success', 'success'],
    ['failed', 'cancelled'],
  ] as const)('(%s) leaves no wish behind that cancels its next run', async (ends, told) => {
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
    await expect.poll(() => status(id)).toBe(told)
    await expect.poll(() => queue.state(id)).toBeUndefined()
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

it('a task that was to be cancelled is so when worker after worker died over it', async () => {
  const { clock, store, queue, status } = setup()
  const { id } = await queue.enqueue(someTask())
  const records = { store, clock, random: systemRandom }
  const parts = { entries: new Entries(records), tasks: new TaskRecords(records, undefined) }
  const { signal } = new AbortController()
  let deaths = 0
  for (let found = await parts.entries.read(id, signal); found !== undefined && deaths < 100; deaths++) {
    const change = { state: 'running', begun: true, asked: 'cancel' } as const
    const running = await parts.entries.move(found, change, signal)
    if (running !== undefined) await takeBack(parts, running, clock.now(), signal)
    found = await parts.entries.read(id, signal)
  }
  expect(deaths).toBe(20)
  expect(await status(id)).toBe('cancelled')
  expect(await queue.depth()).toMatchObject({ dead: 0, waiting: 0, running: 0 })
})
