import { randomUUID } from 'node:crypto'
import { Events, type StowageError, type SyncTask } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { startRedis, withRedis } from '@stowage/test-support'
import { Queue } from 'bullmq'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createTaskQueue } from '../queue/index.ts'
import { memoryStore } from '../stores/index.ts'
import { endedAs, someTask, testTaskQueue } from '../testing/index.ts'
import { queueName } from './carrier.ts'
import { bullCarrier } from './index.ts'
import { connectionOf } from './redis-url.ts'

await withRedis(({ url }) => {
  testTaskQueue({
    name: 'BullMQ',
    create: async () => {
      const prefix = `test-${randomUUID()}`
      const queue = new Queue(queueName, { connection: connectionOf({ redis: url }), prefix })
      return {
        store: memoryStore(),
        carrier: async () => bullCarrier({ redis: url, prefix }),
        leap: () => queue.promoteJobs(),
        cleanup: async () => {
          await queue.obliterate({ force: true })
          await queue.close()
        },
      }
    },
  })

  describe('a carrier on BullMQ', () => {
    const until = (check: () => Promise<void> | void) => vi.waitFor(check, { timeout: 120_000, interval: 50 })

    it('speaks TLS, with a certificate that is checked', async () => {
      await using server = await startRedis({ tls: true })
      const events = new Events()
      const alerts: string[] = []
      events.on('alert', ({ message }) => alerts.push(message))
      const { ca = '' } = server
      const tasks = createTaskQueue({
        store: memoryStore(),
        carrier: bullCarrier({ redis: server.url, tls: { ca }, events }),
        events,
      })
      const stop = new AbortController()
      const seen: string[] = []
      const run = async (task: SyncTask) => {
        seen.push(task.id)
        return endedAs(task, 'success')
      }
      const work = tasks.work({ run, signal: stop.signal })
      const { id } = await tasks.enqueue(someTask())
      await until(() => expect(seen).toEqual([id]))
      stop.abort()
      await work
      await tasks.close()
      expect(alerts).toEqual([])
      const stranger = createTaskQueue({
        store: memoryStore(),
        carrier: bullCarrier({ redis: server.url, events }),
        events,
      })
      const { id: waiting } = await stranger.enqueue(someTask())
      expect(await stranger.state(waiting)).toMatchObject({ state: 'waiting' })
      expect(alerts.join()).toContain('waits in the store')
      expect(alerts.join()).toMatch(/self.signed|certificate/i)
      expect(alerts.join()).not.toContain(new URL(server.url).password)
      await stranger.close()
    })

    it('loses nothing and repeats nothing when Redis is gone, and comes back empty', async () => {
      await using server = await startRedis()
      const events = new Events()
      const alerts: string[] = []
      events.on('alert', ({ message }) => alerts.push(message))
      const carrier = bullCarrier({ redis: server.url, events })
      const tasks = createTaskQueue({ store: memoryStore(), carrier, events })
      const seen: string[] = []
      const begun = Promise.withResolvers<void>()
      const go = Promise.withResolvers<void>()
      const stop = new AbortController()
      const ids: string[] = []
      for (let i = 0; i < 6; i++) ids.push((await tasks.enqueue(someTask())).id)
      const run = async (task: SyncTask) => {
        seen.push(task.id)
        if (seen.length === 2) begun.resolve()
        await go.promise
        return endedAs(task, 'success')
      }
      const work = tasks.work({ run, concurrency: 2, signal: stop.signal })
      try {
        await begun.promise
        await tasks.ping()
        await server.kill()
        await expectCode(Promise.resolve(tasks.ping()), 'unavailable', 'timeout')
        ids.push((await tasks.enqueue(someTask())).id)
        expect(alerts.join()).toContain('waits in the store')
        expect(alerts.join()).not.toContain(new URL(server.url).password)
        // What is in hand goes on to its end without Redis.
        go.resolve()
        await until(async () => expect(await tasks.depth()).toMatchObject({ running: 0, waiting: 5 }))
        await server.restart()
        // Without a wait for the sweep, which is a minute away.
        await until(async () => expect(await tasks.depth()).toMatchObject({ running: 0, waiting: 0 }))
        expect([...seen].sort()).toEqual([...ids].sort())
      } finally {
        stop.abort()
        await work
        await tasks.close()
      }
    })

    it('has nothing but ids in Redis, and lets a newer job wait', async () => {
      const prefix = `test-${randomUUID()}`
      const queue = new Queue(queueName, { connection: connectionOf({ redis: url }), prefix })
      const tasks = createTaskQueue({ store: memoryStore(), carrier: bullCarrier({ redis: url, prefix }) })
      onTestFinished(async () => {
        await tasks.close()
        await queue.obliterate({ force: true })
        await queue.close()
      })
      const { id } = await tasks.enqueue(someTask({ sourcePrefix: 'private/', priority: 3 }))
      const [job] = await queue.getJobs()
      expect(job?.data).toEqual({ format: 1, taskId: id })
      await queue.add('sync', { format: 2, taskId: 'newer' })
      const stop = new AbortController()
      const run = async (task: SyncTask) => endedAs(task, 'success')
      const work = tasks.work({ run, signal: stop.signal })
      await until(async () =>
        expect(await queue.getJobCounts()).toMatchObject({ delayed: 1, prioritized: 0, waiting: 0 }),
      )
      stop.abort()
      await work
      expect((await queue.getDelayed())[0]?.data).toEqual({ format: 2, taskId: 'newer' })
    })

    it('shows a task that was given up as a failed job', async () => {
      const prefix = `test-${randomUUID()}`
      const queue = new Queue(queueName, { connection: connectionOf({ redis: url }), prefix })
      const tasks = createTaskQueue({ store: memoryStore(), carrier: bullCarrier({ redis: url, prefix }) })
      const stop = new AbortController()
      const run = async (task: SyncTask) => endedAs(task, 'failed', { error: { code: 'access-denied', message: 'no' } })
      const work = tasks.work({ run, signal: stop.signal })
      onTestFinished(async () => {
        stop.abort()
        await work
        await tasks.close()
        await queue.obliterate({ force: true })
        await queue.close()
      })
      await tasks.enqueue(someTask())
      await until(async () =>
        expect((await queue.getFailed()).map((job) => job.failedReason)).toEqual(['access-denied: no']),
      )
    })
  })
})

describe('the address of Redis', () => {
  it('is taken apart', () => {
    expect(connectionOf({ redis: 'redis://h' })).toEqual({ host: 'h', port: 6379 })
    expect(connectionOf({ redis: 'rediss://u:p%40ss@[::1]:7000/3' })).toEqual({
      host: '::1',
      port: 7000,
      username: 'u',
      password: 'p@ss',
      db: 3,
      tls: {},
    })
  })

  it('is refused without being repeated', async () => {
    for (const redis of ['http://u:hidden@h', 'redis://u:hidden@h/x', 'redis:hidden', 'hidden']) {
      const error: StowageError = await expectCode((async () => connectionOf({ redis }))(), 'configuration')
      expect(error.field).toBe('queue.redis')
      expect(`${error.message} ${error.hint}`).not.toContain('hidden')
    }
  })
})
