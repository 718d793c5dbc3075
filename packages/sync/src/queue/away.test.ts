import { StowageError } from '@stowage/core'
import { expect, it, vi } from 'vitest'
import { memoryStore } from '../stores/index.ts'
import { endedAs, LeapClock, someTask } from '../testing/index.ts'
import { createTaskQueue } from './index.ts'

it('does a task again when the store was away at its end, and keeps no lease for it', async () => {
  const clock = new LeapClock()
  const store = clock.on(memoryStore())
  let away = false
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    away ? Promise.reject(new StowageError('unavailable', 'The store is away.')) : work()
  const queue = createTaskQueue({
    clock,
    store: {
      now: () => call(() => store.now()),
      get: (key) => call(() => store.get(key)),
      put: (key, value, expected) => call(() => store.put(key, value, expected)),
      delete: (key, expected) => call(() => store.delete(key, expected)),
      list: (prefix, options) => call(() => store.list(prefix, options)),
      close: () => store.close(),
    },
  })
  const stop = new AbortController()
  let runs = 0
  const { id } = await queue.enqueue(someTask())
  const work = queue.work({
    concurrency: 1,
    signal: stop.signal,
    run: async (task) => {
      away = ++runs === 1
      return endedAs(task, 'success')
    },
  })
  await vi.waitFor(() => expect(runs).toBe(1), { timeout: 100_000, interval: 10 })
  // Longer than the store is tried, and shorter than a lease.
  for (let i = 0; i < 40; i++) {
    clock.leap(500)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  away = false
  await vi.waitFor(
    async () => {
      clock.leap(1000)
      expect(runs).toBe(2)
      expect(await queue.state(id)).toBeUndefined()
    },
    { timeout: 100_000, interval: 10 },
  )
  stop.abort()
  await work
})
