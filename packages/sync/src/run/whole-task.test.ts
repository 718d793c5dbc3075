import { at, type StowageError, type SyncStore, type SyncTask } from '@stowage/core'
import { FakeClock, Life, mortal, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions, type SyncResult } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned, runAs } from '../testing/index.ts'

const taskId = 't1'

function setup(count: number) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a', pageSize: 5 })
  const b = new FakeAdapter({ id: 'b', pageSize: 5 })
  let size = 0
  for (let i = 0; i < count; i++) {
    a.seed(`src/k${String(i).padStart(4, '0')}`, patterned(100 + (i % 7), i))
    size += 100 + (i % 7)
  }
  const { tasks } = createSync({ store, clock, random: seededRandom(99) })
  /** What the record said, every second. */
  const told: SyncTask[] = []
  const passes = async <T>(work: Promise<T>): Promise<T> => {
    let ended = false
    const end = (): void => {
      ended = true
    }
    work.then(end, end)
    for (let i = 0; i < 20_000 && !ended; i++) {
      await clock.advance(250)
      const task = i % 4 === 0 ? await tasks.get(taskId) : undefined
      if (task !== undefined) told.push(task)
    }
    return await work
  }
  const worker = (pid: number, over: SyncStore = store) => ({
    store: over,
    clock,
    owner: fakeOwner(pid, () => true),
    random: seededRandom(pid),
  })
  const options: SyncOptions = { from: at(a, 'src'), to: at(b, 'dst'), lanes: 2, concurrency: 4, taskId, join: true }
  a.options.before = async ({ operation, signal }) => {
    if (operation === 'get') await clock.sleep(400, signal)
  }
  return { clock, store, a, b, size, tasks, told, passes, worker, options }
}

/** No number of a task's record runs backwards. */
function expectForward(told: readonly SyncTask[]): void {
  let last: SyncTask | undefined
  for (const task of told) {
    expect(task.progress).toBeLessThanOrEqual(task.status === 'success' ? 100 : 99)
    expect(task.totalSize).toBeGreaterThanOrEqual(task.transferredSize)
    for (const field of ['transferredSize', 'updatedAt'] as const)
      expect(task[field]).toBeGreaterThanOrEqual(last?.[field] ?? 0)
    last = task
  }
}

describe('the record of a task that several work on', () => {
  it('tells of all of them within seconds, and is exact at the end', async () => {
    const { b, size, clock, tasks, told, passes, worker, options } = setup(400)
    const ran = [1, 2, 3].map((pid) => clock.sleep(pid * 500).then(() => runAs(worker(pid), options)))
    let [behind, sent] = [0, 0]
    const each = b.options
    each.after = async ({ operation }) => {
      if (operation !== 'put') return
      sent++
      const found = await tasks.get(taskId)
      behind = Math.max(behind, sent - (found?.transferredSize ?? 0) / 103)
    }
    const results = await passes(Promise.all(ran))
    expect(results.map(({ status }) => status)).toEqual(['success', 'helped', 'helped'])
    expect(results.every(({ bytes }) => bytes.transferred > 0)).toBe(true)
    const all = results.reduce((sum, { bytes }) => sum + bytes.transferred, 0)
    expect([all, b.bytesIn]).toEqual([size, size])
    expect(await tasks.get(taskId)).toMatchObject({
      status: 'success',
      progress: 100,
      transferredSize: size,
      totalSize: size,
      speed: 0,
      objects: { copied: 400, skipped: 0, failed: 0 },
    })
    expectForward(told)
    expect(Math.max(...told.map(({ workers = 0 }) => workers))).toBe(3)
    expect(Math.max(...told.map(({ speed }) => speed))).toBeGreaterThan(1000)
    // Three processes of four requests at a time, 400 ms each: what is not told yet is of the last seconds.
    expect(behind).toBeLessThan(12 * 2.5 * 7)
  })

  it.each([60, 120, 180])(
    'loses what was told by nobody but the dead, and counts nothing twice (%i)',
    async (calls) => {
      const { b, clock, store, size, tasks, told, passes, worker, options } = setup(300)
      const life = new Life(calls, true)
      const dead = new Set<number>()
      const dying = { ...worker(1, mortal(store, 'store', life)) }
      const alive = (pid: number) => !dead.has(pid)
      const first = runAs(dying, options).catch((error: StowageError) => {
        dead.add(1)
        return error
      })
      const later = [2, 3].map(async (pid): Promise<SyncResult> => {
        await clock.sleep(500)
        for (;;) {
          const result = await runAs({ ...worker(pid), owner: fakeOwner(pid, alive) }, options)
          if (result.status === 'success' || (await tasks.get(taskId))?.status === 'success') return result
          await clock.sleep(500)
        }
      })
      await passes(Promise.all([first, ...later]))
      expect(life.dead).toBe(true)
      const task = await tasks.get(taskId)
      expect(task).toMatchObject({ status: 'success', progress: 100 })
      expect(task?.transferredSize).toBe(task?.totalSize)
      expect(task?.transferredSize).toBeLessThanOrEqual(b.bytesIn)
      // What the dead had sent in the last seconds, and before it was divided, is found there and not sent again.
      expect(task?.transferredSize).toBeGreaterThan(size / 2)
      expect(b.bytesIn).toBeLessThan(size + 40 * 107)
      expectForward(told)
    },
  )

  it('goes on from what it said when it was paused', async () => {
    const { b, size, clock, tasks, told, passes, worker, options } = setup(300)
    for (let pid = 1; ; pid++) {
      const stop = new AbortController()
      void clock.sleep(8000).then(() => stop.abort())
      const result = await passes(runAs(worker(pid), { ...options, signal: stop.signal }))
      const task = await tasks.get(taskId)
      expect(task?.transferredSize).toBe(b.bytesIn)
      if (result.status === 'success') break
      expect(result.status).toBe('paused')
      expect(task).toMatchObject({ status: 'paused', speed: 0 })
      expect(pid).toBeLessThan(20)
    }
    expect(b.bytesIn).toBe(size)
    expect(await tasks.get(taskId)).toMatchObject({ progress: 100, transferredSize: size, totalSize: size })
    expectForward(told)
  })
})

describe('a helper', () => {
  it('that is stopped says that it was paused', async () => {
    const { clock, passes, worker, options } = setup(300)
    const stop = new AbortController()
    const lead = runAs(worker(1), options)
    const help = clock.sleep(4000).then(() => runAs(worker(2), { ...options, signal: stop.signal }))
    void clock.sleep(6200).then(() => stop.abort())
    const [led, helped] = await passes(Promise.all([lead, help]))
    expect(led).toMatchObject({ status: 'success', objects: { copied: 300 } })
    expect(helped.status).toBe('paused')
  })

  it('that was out of the world while the task was cancelled leaves it at that', async () => {
    const { b, clock, store, tasks, passes, worker, options } = setup(300)
    let asleep: Promise<void> | undefined
    const awake = async <T>(work: () => Promise<T>): Promise<T> => {
      await asleep
      return await work()
    }
    const sleepy: SyncStore = {
      now: () => awake(() => store.now()),
      get: (key) => awake(() => store.get(key)),
      put: (key, value, expected) => awake(() => store.put(key, value, expected)),
      delete: (key, expected) => awake(() => store.delete(key, expected)),
      list: (prefix, more) => awake(() => store.list(prefix, more)),
      close: () => store.close(),
    }
    const lead = runAs(worker(1), options)
    const help = clock.sleep(4000).then(() => runAs(worker(2, sleepy), options))
    void clock.sleep(6000).then(() => {
      asleep = clock.sleep(20_000)
    })
    void clock.sleep(6500).then(() => tasks.cancel(taskId))
    const [led, helped] = await passes(Promise.all([lead, help]))
    expect(led.status).toBe('cancelled')
    expect(helped.status).toMatch(/helped|cancelled/)
    expect(await tasks.get(taskId)).toMatchObject({ status: 'cancelled' })
    expect(b.objects.size).toBeLessThan(300)
  })

  it('that comes just after the task has ended does not begin it anew', async () => {
    const { a, b, tasks, passes, worker, options } = setup(50)
    await passes(runAs(worker(1), options))
    a.seed('src/new', 'x')
    expect(await passes(runAs(worker(2), options))).toMatchObject({ status: 'helped', taskId })
    expect(b.objects.has('dst/new')).toBe(false)
    expect(await tasks.get(taskId)).toMatchObject({ status: 'success' })
    expect(await passes(runAs(worker(3), { ...options, join: false }))).toMatchObject({ objects: { copied: 1 } })
  })
})

it('listeners that throw harm nothing', async () => {
  const { passes, worker, options } = setup(100)
  const broken = () => {
    throw new Error('broken')
  }
  const result = await passes(runAs(worker(1), { ...options, onProgress: broken, onPartitions: broken }))
  expect(result).toMatchObject({ status: 'success', objects: { copied: 100 } })
})
