import { join } from 'node:path'
import { seededRandom } from '@stowage/core/testing'
import { runs, startRedis, startWorker, testSeed, until, withMinio, withRedis } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { QueueConfig } from '../config/index.ts'
import type { Stowage } from '../index.ts'
import { filled, KIB, MIB, type Stage, stage } from './stage.ts'

const kills = runs(20, 200)
const partSize = 5 * MIB
const concurrency = 3
const largest = 20 * KIB
const options = { delete: true, maxDeletePercent: 100, partSize, concurrency }
const pair = { sourceId: 'from', sourcePrefix: 'in/', targetId: 'to', targetPrefix: 'out/', options }
const patience = { timeoutMs: 200_000, everyMs: 50 }

/** A stage with a queue, and a Stowage that puts tasks into it and does none. */
async function world(server: Parameters<typeof stage>[0]['to'], queue: QueueConfig) {
  const here = await stage({ to: server })
  const config = { ...here.config, queue, catalog: { type: 'sqlite', path: join(here.cwd, 'catalog.db') } as const }
  const stowage = await createStowage(config, { background: false })
  return { here, config, stowage }
}

/** Another content for everything, and other keys for some. Returns its bytes. */
async function change({ from }: Stage, round: number): Promise<number> {
  for (let i = 0; i < 10; i++) await from.store.delete(`in/gone-${round - 1}-${i}`)
  const written: Record<string, Buffer> = { 'in/large': filled(40 * MIB + 1, `large ${round}`) }
  for (let i = 0; i < 30; i++) written[`in/small-${i}`] = filled(1 + ((i * 977) % largest), `${i} ${round}`)
  for (let i = 0; i < 10; i++) written[`in/gone-${round}-${i}`] = filled(100 + i, `gone ${i} ${round}`)
  await from.fill(written)
  return Object.values(written).reduce((sum, { length }) => sum + length, 0)
}

/** Until a task has ended, and well, or nobody waits for that any more. */
async function ended(stowage: Stowage, id: string, signal?: AbortSignal): Promise<void> {
  const look = async () => ({ task: await stowage.tasks.get(id), queued: await stowage.tasks.queued(id) })
  await until(
    `task ${id} has ended`,
    async () => {
      if (signal?.aborted) return true
      const { task, queued } = await look()
      return task.status === 'success' && queued === undefined
    },
    { ...patience, seen: look },
  )
}

/** Workers that are killed with -9 in the middle of the n-th call, one after the other, and one that is not. */
async function killWorkers(queue: QueueConfig, server: Parameters<typeof stage>[0]['to']): Promise<void> {
  const { here, config, stowage } = await world(server, queue)
  const random = seededRandom(testSeed())
  const keys = new Set<string>()
  try {
    let left = kills
    for (let round = 1; left > 0; round++) {
      const size = await change(here, round)
      here.from.proxy.reset()
      here.to.proxy.reset()
      const { id } = await stowage.tasks.enqueue(pair)
      let killed = 0
      for (const most = Math.min(left, 4); killed < most; killed++, left--) {
        let calls = 1 + Math.floor(random.next() * 25)
        const child = startWorker(config, { cwd: here.cwd })
        const hit = Promise.withResolvers<'killed'>()
        for (const { proxy } of [here.from, here.to]) {
          proxy.rule = () => {
            if (--calls === 0) {
              child.process.kill('SIGKILL')
              hit.resolve('killed')
            }
            return undefined
          }
        }
        const stop = new AbortController()
        const over = ended(stowage, id, stop.signal).then(() => 'over' as const)
        const early = child.done.then(({ stderr }) => Promise.reject(new Error(`A worker ended by itself: ${stderr}`)))
        early.catch(() => undefined)
        const how = await Promise.race([hit.promise, over, early]).finally(() => stop.abort())
        await child.kill()
        if (how === 'over') break
      }
      for (const { proxy } of [here.from, here.to]) proxy.rule = undefined
      const last = startWorker(config, { cwd: here.cwd })
      await ended(stowage, id)
      await last.kill()
      const note = `seed ${testSeed()}, round ${round}, ${killed} kills`
      await here.expectSame()
      // As for `stowage sync`: what was in flight, at most as many parts and small objects as there are requests at a time.
      expect(here.to.proxy.bytesUp() - size, note).toBeLessThanOrEqual(killed * concurrency * (partSize + largest))
      for (const key of Object.keys(await here.from.contents('in/'))) keys.add(`out/${key}`)
      expect(await here.to.uploads(keys), note).toEqual([])
      expect(await stowage.tasks.depth(), note).toMatchObject({ waiting: 0, running: 0, delayed: 0, dead: 0 })
    }
  } finally {
    await stowage.close()
  }
}

await withMinio(async (server) => {
  const timeout = runs(1_800_000, 3_600_000)
  it(
    'workers of a local queue killed with -9: the task ends once, the same byte by byte',
    async () => {
      await killWorkers({ type: 'local' }, server)
    },
    timeout,
  )

  await withRedis(({ url }) => {
    it(
      'workers of a queue on BullMQ killed with -9: the task ends once, the same byte by byte',
      async () => {
        await killWorkers({ type: 'bullmq', redis: url, prefix: `proof-${crypto.randomUUID()}` }, server)
      },
      timeout,
    )

    it(
      'Redis restarted empty in mid-run: what is at work goes on, what waits is not forgotten',
      async () => {
        await using redis = await startRedis()
        const { here, config, stowage } = await world(server, { type: 'bullmq', redis: redis.url })
        try {
          const size = await change(here, 1)
          await here.from.fill({ 'next/a': 'a', 'next/b': 'b' })
          let begun = 0
          let back: Promise<void> | undefined
          here.to.proxy.rule = ({ call }) => {
            if (call === 'part' && ++begun === 2) back = redis.kill().then(() => redis.restart())
            return undefined
          }
          const first = await stowage.tasks.enqueue(pair)
          const worker = startWorker({ ...config, queue: { ...config.queue, concurrency: 1 } }, { cwd: here.cwd })
          await until('a part has begun', () => begun > 0, patience)
          const second = await stowage.tasks.enqueue({ ...pair, sourcePrefix: 'next/', targetPrefix: 'next/' })
          await ended(stowage, first.id)
          await ended(stowage, second.id)
          expect(back).toBeDefined()
          await worker.kill()
          await here.expectSame()
          // Nothing was done twice: the run at work did not hear of it.
          expect(here.to.proxy.bytesUp()).toBe(size + 2)
        } finally {
          await stowage.close()
        }
      },
      timeout,
    )
  })
})
