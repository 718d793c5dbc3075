import { join } from 'node:path'
import { until, withMinio, withRedis } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { QueueConfig } from '../config/index.ts'
import { filled, MIB, stage } from './stage.ts'

const partSize = 5 * MIB
const concurrency = 2
const size = 6 * partSize

await withMinio(async (server) => {
  /** A task of one large object, on a line where a part takes a second and more, that is stopped while the third part is under way. */
  async function play(queue: QueueConfig): Promise<void> {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/large': filled(size, 'large') })
    const config = { ...here.config, queue, catalog: { type: 'sqlite', path: join(here.cwd, 'catalog.db') } as const }
    const stowage = await createStowage(config, { background: false })
    const stop = new AbortController()
    const work = stowage.work({ signal: stop.signal })
    const parts = () => here.to.proxy.count('part')
    const inMiddle = async (): Promise<void> => {
      const before = parts()
      await until('the third part has begun', () => parts() >= before + 3, { seen: parts })
    }
    const enqueue = (targetPrefix: string) =>
      stowage.tasks.enqueue({
        sourceId: 'from',
        sourcePrefix: 'in/',
        targetId: 'to',
        targetPrefix,
        options: { partSize, concurrency },
      })
    try {
      here.to.line.throttle(4 * MIB)
      const cancelled = await enqueue('cancelled/')
      await inMiddle()
      await stowage.tasks.cancel(cancelled.id)
      const look = async (id: string) => ({ task: await stowage.tasks.get(id), queued: await stowage.tasks.queued(id) })
      await until('it is cancelled', async () => (await look(cancelled.id)).task.status === 'cancelled', {
        seen: () => look(cancelled.id),
      })
      // What was sent is thrown away, and nothing goes on.
      expect(await here.to.uploads(['cancelled/large'])).toEqual([])
      expect([await here.to.contents(), here.to.proxy.count('complete')]).toEqual([{}, 0])

      here.to.proxy.reset()
      const paused = await enqueue('out/')
      await inMiddle()
      await stowage.tasks.pause(paused.id)
      const state = async () => (await look(paused.id)).queued?.state
      await until('it is paused', async () => (await state()) === 'paused', { seen: () => look(paused.id) })
      // What was sent stays, and is not sent again.
      expect(await here.to.uploads(['out/large'])).toEqual(['out/large'])
      here.to.line.clear()
      await stowage.tasks.resume(paused.id)
      await until('it has ended', async () => (await look(paused.id)).task.status === 'success', {
        seen: () => look(paused.id),
      })
      expect(here.to.proxy.bytesUp()).toBeLessThanOrEqual(size + concurrency * partSize)
      expect(here.to.proxy.count('create')).toBe(1)
      await here.expectSame()
      // Nor did a part that was under way bring anything back.
      expect(await here.to.uploads(['cancelled/large'])).toEqual([])
    } finally {
      stop.abort()
      await work
      await stowage.close()
    }
  }

  it('a task that is cancelled in the middle of an object leaves nothing, one that is paused goes on from there: by a local queue', async () => {
    await play({ type: 'local' })
  })

  await withRedis(({ url }) => {
    it('a task that is cancelled in the middle of an object leaves nothing, one that is paused goes on from there: by BullMQ', async () => {
      await play({ type: 'bullmq', redis: url, prefix: `cancel-${crypto.randomUUID()}` })
    })
  })
})
