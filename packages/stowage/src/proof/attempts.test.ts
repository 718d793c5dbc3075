import { join } from 'node:path'
import { seededRandom } from '@stowage/core/testing'
import { startRedis, until, withMinio, withRedis } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { QueueConfig } from '../config/index.ts'
import { filled, refusal, stage } from './stage.ts'

const others = 20
const patience = { everyMs: 50 }

await withMinio(async (server) => {
  /** One object that the target refuses with 503 for ever, among others that it takes. */
  async function play(queue: QueueConfig): Promise<void> {
    const here = await stage({ to: server })
    const names = Array.from({ length: others }, (_, i) => `small-${i}`)
    await here.from.fill(Object.fromEntries(['bad', ...names].map((name) => [`in/${name}`, filled(999, name)])))
    here.to.proxy.rule = ({ call, key }) =>
      call === 'put' && key === 'out/bad' ? { answer: refusal(503, 'ServiceUnavailable') } : undefined
    const config = { ...here.config, queue, catalog: { type: 'sqlite', path: join(here.cwd, 'catalog.db') } as const }
    // No chance in the waits: the shortest there are.
    const random = { ...seededRandom(1), next: () => 0 }
    const stowage = await createStowage(config, { background: false, random })
    const stop = new AbortController()
    const work = stowage.work({ signal: stop.signal })
    try {
      const { id } = await stowage.tasks.enqueue({
        sourceId: 'from',
        sourcePrefix: 'in/',
        targetId: 'to',
        targetPrefix: 'out/',
        options: { partSize: 5 * 1024 * 1024 },
      })
      const look = async () => ({ task: await stowage.tasks.get(id), queued: await stowage.tasks.queued(id) })
      await until('it is given up', async () => (await look()).queued?.state === 'dead', { ...patience, seen: look })
      const puts = new Map<string, number>()
      for (const { call, key } of here.to.proxy.calls) if (call === 'put') puts.set(key, (puts.get(key) ?? 0) + 1)
      // Three requests at each of three tries of the object, in each of three runs of the task; and what is there is sent once.
      expect(Object.fromEntries(puts)).toEqual(
        Object.fromEntries([['out/bad', 27], ...names.map((name) => [`out/${name}`, 1])]),
      )
      expect(await look()).toMatchObject({ task: { status: 'failed' }, queued: { attempts: 3 } })
      here.to.proxy.reset()
      await stowage.tasks.requeue(id)
      await until('it has ended', async () => (await look()).task.status === 'success', { ...patience, seen: look })
      expect(here.to.proxy.count('put')).toBe(1)
      await here.expectSame()
    } finally {
      stop.abort()
      await work
      await stowage.close()
    }
  }

  it('tries count at three levels: requests, objects and runs, three times each, by a local queue', async () => {
    await play({ type: 'local' })
  })

  await withRedis(() => {
    it('tries count at three levels: requests, objects and runs, three times each, by BullMQ', async () => {
      await using redis = await startRedis()
      await play({ type: 'bullmq', redis: redis.url })
    })
  })
})
