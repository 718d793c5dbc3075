import type { SyncStore, SyncTask } from '@stowage/core'
import { expect, it, vi } from 'vitest'
import { memoryStore } from '../stores/index.ts'
import { endedAs, fakeOwner, LeapClock, someTask } from '../testing/index.ts'
import { createTaskQueue, type TaskService } from './index.ts'

const YEAR = 365 * 86_400_000
const patience = { timeout: 120_000, interval: 20 }

/** Works until something is so. */
async function workUntil(queue: TaskService, run: (task: SyncTask) => void, check: () => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const work = queue.work({
    signal: stop.signal,
    run: async (task) => {
      run(task)
      return endedAs(task, 'success')
    },
  })
  try {
    await vi.waitFor(check, patience)
  } finally {
    stop.abort()
    await work
  }
}

/** Never ends by itself. */
function untilStopped(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

it('does what was put in at once, though the clock was a year ahead then', async () => {
  const clock = new LeapClock()
  const queue = createTaskQueue({ store: clock.on(memoryStore()), clock })
  clock.leap(YEAR)
  const { id } = await queue.enqueue(someTask())
  const paused = await queue.enqueue(someTask())
  await queue.pause(paused.id)
  clock.leap(-YEAR)
  const seen: string[] = []
  await workUntil(
    queue,
    (task) => seen.push(task.id),
    async () => expect(seen).toEqual([id]),
  )
})

it('takes a task from a worker of another machine that died while the clock was a year ahead', async () => {
  const clock = new LeapClock()
  const store = clock.on(memoryStore())
  const far = createTaskQueue({ store, clock, owner: fakeOwner(1, () => true) })
  clock.leap(YEAR)
  const { id } = await far.enqueue(someTask())
  const stop = new AbortController()
  const work = far.work({ signal: stop.signal, run: (_, signal) => untilStopped(signal) })
  await vi.waitFor(async () => expect((await far.state(id))?.state).toBe('running'), patience)
  clock.leap(-YEAR)
  const near = createTaskQueue({ store, clock, owner: fakeOwner(2, () => true) })
  const seen: string[] = []
  await workUntil(
    near,
    (task) => seen.push(task.id),
    async () => expect(seen).toEqual([id]),
  )
  stop.abort()
  await work
})

it('forgets a cancel that came as the task ended, so that it can be done again', async () => {
  const inner = memoryStore()
  let onCancel: (() => Promise<void>) | undefined
  const store: SyncStore = Object.assign(Object.create(inner) as SyncStore, {
    put: async (...args: Parameters<SyncStore['put']>) => {
      const revision = await inner.put(...args)
      if (args[0].startsWith('cancel/')) await onCancel?.()
      return revision
    },
  })
  const queue = createTaskQueue({ store })
  const { id } = await queue.enqueue(someTask())
  const { promise: gate, resolve: go } = Promise.withResolvers<void>()
  const stop = new AbortController()
  const work = queue.work({
    signal: stop.signal,
    run: async (task) => {
      await gate
      return endedAs(task, 'success')
    },
  })
  await vi.waitFor(async () => expect((await queue.state(id))?.state).toBe('running'), patience)
  onCancel = async () => {
    go()
    await vi.waitFor(async () => expect(await queue.state(id)).toBeUndefined(), patience)
  }
  await queue.cancel(id)
  stop.abort()
  await work
  expect(await inner.list('cancel/', { limit: 10 })).toEqual([])
  await queue.retry(id)
  expect((await queue.state(id))?.state).toBe('waiting')
})
