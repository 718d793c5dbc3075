import { at, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, createTaskQueue, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned, someTask } from '../testing/index.ts'

const partSize = 1000

function world(pageSize = 1000) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a', pageSize })
  const b = new FakeAdapter({ id: 'b', pageSize })
  a.seed('src/large', patterned(6 * partSize))
  const sync = createSync({ store, clock, random: seededRandom(1), owner: fakeOwner(1) })
  const options = (more: Partial<SyncOptions> = {}): SyncOptions => {
    return { from: at(a, 'src'), to: at(b, 'dst'), partSize, concurrency: 1, taskId: 'task', ...more }
  }
  const notes = async (): Promise<string[]> =>
    (await store.list('pair/', { limit: 100 })).filter((key) => key.includes('/upload/'))
  /** Runs until the third part is under way; of a sync in both directions, whose parts are as large as blocks, the first. */
  const inMiddle = async (more: Partial<SyncOptions> = {}) => {
    const last = more.twoWay === true ? 1 : 3
    const { promise: reached, resolve } = Promise.withResolvers<void>()
    let parts = 0
    b.options.before = async ({ operation, signal }) => {
      if (operation !== 'uploadPart' || ++parts < last) return
      resolve()
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(aborted())))
    }
    const run = sync.run(options(more))
    run.catch(() => {})
    await passing(clock, reached)
    return { run }
  }
  /** As {@link inMiddle}, and pauses it there. */
  const paused = async (more: Partial<SyncOptions> = {}): Promise<void> => {
    const stop = new AbortController()
    const { run } = await inMiddle({ ...more, signal: stop.signal })
    stop.abort()
    await clock.advance(2000)
    expect(await run).toMatchObject({ status: 'paused' })
    b.options.before = () => {}
    expect(b.uploads.size).toBe(1)
  }
  return { clock, store, a, b, sync, options, notes, inMiddle, paused }
}

const aborted = (): StowageError => new StowageError('aborted', 'It was aborted.')

/** Lets time go on until the work is done. */
async function passing<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let over = false
  const done = (): void => {
    over = true
  }
  work.then(done, done)
  for (let i = 0; i < 500 && !over; i++) await clock.advance(100)
  if (!over) throw new Error('It has not ended in 50 seconds.')
  return work
}

describe('a task that is cancelled', () => {
  it('while it is paused, throws its upload away although it could not run any more', async () => {
    const { clock, a, b, sync, options, notes, paused } = world()
    await paused()
    await sync.tasks.cancel('task')
    // Neither side can be asked whether it may be synced.
    for (const { options: fake } of [a, b])
      fake.before = ({ operation }) => {
        if (operation === 'head' || operation === 'list') throw new StowageError('access-denied', 'no')
      }
    expect(await passing(clock, sync.run(options()))).toMatchObject({ status: 'cancelled' })
    expect(b.uploads.size).toBe(0)
    expect(await notes()).toEqual([])
    expect(await sync.tasks.get('task')).toMatchObject({ status: 'cancelled' })
  })

  it('and ends by an error, throws its upload away', async () => {
    const { clock, a, b, store, sync, notes, inMiddle } = world()
    a.seed('src/a', 'x')
    const { run } = await inMiddle()
    await sync.tasks.cancel('task')
    const { put } = store
    store.put = async (key, ...rest) => {
      if (key.includes('/ledger/')) throw new StowageError('invalid-request', 'The record is refused.')
      return await put(key, ...rest)
    }
    await clock.advance(1500)
    await expect(passing(clock, run)).rejects.toMatchObject({ code: 'invalid-request' })
    expect(b.uploads.size).toBe(0)
    expect(await notes()).toEqual([])
  })

  it('throws away what it began of named keys, and nothing else', async () => {
    const { clock, a, b, sync, notes, inMiddle, paused } = world()
    await paused({ taskId: 'other' })
    a.seed('src/named', patterned(5 * partSize))
    const { run } = await inMiddle({ keys: ['named'] })
    expect(b.uploads.size).toBe(2)
    await sync.tasks.cancel('task')
    await clock.advance(2500)
    expect(await passing(clock, run)).toMatchObject({ status: 'cancelled' })
    expect([...b.uploads.values()].map(({ key }) => key)).toEqual(['dst/large'])
    expect((await notes()).length).toBeGreaterThan(0)
  })

  it('before a sync of named keys begins, does nothing at all', async () => {
    const { clock, b, store, sync, options, inMiddle } = world()
    const stop = new AbortController()
    const { run } = await inMiddle({ keys: ['large'], signal: stop.signal })
    stop.abort()
    await clock.advance(2000)
    expect(await run).toMatchObject({ status: 'paused' })
    expect(b.uploads.size).toBe(1)
    await sync.tasks.cancel('task')
    b.options.before = ({ operation }) => {
      if (operation !== 'abort') throw new StowageError('access-denied', `no ${operation}`)
    }
    expect(await passing(clock, sync.run(options({ keys: ['large'] })))).toMatchObject({ status: 'cancelled' })
    expect(b.uploads.size).toBe(0)
    expect(await store.list('cancel/', { limit: 1 })).toEqual([])
  })

  it('can be ended without a run', async () => {
    const { store, a, b, sync, notes, paused } = world()
    await paused()
    await sync.tasks.cancel('task')
    const from = { adapter: { id: 'a' }, prefix: 'src/' }
    expect(await sync.forgetUploads({ from, to: at(b, 'dst'), taskId: 'task' })).toBe(1)
    expect([b.uploads.size, await notes(), await store.list('cancel/', { limit: 1 })]).toEqual([0, [], []])
    expect(await sync.tasks.get('task')).toMatchObject({ status: 'cancelled', speed: 0 })
    await expect(sync.forgetUploads({ from, to: at(b, 'dst'), twoWay: true })).rejects.toMatchObject({
      code: 'configuration',
      field: 'from',
    })
    expect(await sync.forgetUploads({ from: at(a, 'src'), to: at(b, 'dst'), twoWay: true })).toBe(0)
  })

  it('takes nothing from another one that went on with its upload', async () => {
    const { a, b, sync, paused } = world()
    await paused({ taskId: 'first' })
    await paused({ taskId: 'second' })
    const ends = { from: at(a, 'src'), to: at(b, 'dst') }
    expect(await sync.forgetUploads({ ...ends, taskId: 'first' })).toBe(0)
    expect(b.uploads.size).toBe(1)
    expect((await sync.tasks.get('first'))?.status).toBe('cancelled')
    expect(await sync.forgetUploads({ ...ends, taskId: 'second' })).toBe(1)
    expect(b.uploads.size).toBe(0)
  })

  it('can be ended without a run, on both sides', async () => {
    const { a, b, sync, paused } = world()
    await paused({ twoWay: true })
    const at2 = { from: at(a, 'src'), to: at(b, 'dst') }
    expect(await sync.forgetUploads(at2)).toBe(0)
    expect(await sync.forgetUploads({ ...at2, twoWay: true })).toBe(1)
    expect(b.uploads.size).toBe(0)
  })
})

it.each([
  ['replaced by a small one', 'small'],
  ['deleted', undefined],
])('what a killed process left of an object that is %s goes with a sync of its key', async (_, content) => {
  const { clock, store, a, b, options, notes, inMiddle } = world()
  await inMiddle()
  a.objects.delete('src/large')
  if (content !== undefined) a.seed('src/large', content)
  b.options.before = () => {}
  const other = createSync({ store, clock, random: seededRandom(2), owner: fakeOwner(2) })
  const result = await passing(clock, other.run(options({ keys: ['large'], taskId: 'named' })))
  expect(result).toMatchObject({ status: 'success', objects: { copied: content === undefined ? 0 : 1 } })
  expect(b.uploads.size).toBe(0)
  expect(await notes()).toEqual([])
})

it('a task that was given up throws its upload away when it is cancelled', async () => {
  const { clock, store, b, sync, options, notes, paused } = world()
  const queue = createTaskQueue({ store, clock, random: seededRandom(2), owner: fakeOwner(2) })
  const { id } = await queue.enqueue(someTask({ maxAttempts: 1 }))
  const stop = new AbortController()
  let times = 0
  const work = queue.work({
    signal: stop.signal,
    run: async (task) => {
      if (++times > 1) return await sync.run(options({ taskId: task.id }))
      await paused({ taskId: task.id })
      throw new StowageError('unsafe', 'no')
    },
  })
  const become = async (state: string | undefined): Promise<void> => {
    for (let i = 0; i < 200 && (await queue.state(id))?.state !== state; i++) await clock.advance(100)
    expect((await queue.state(id))?.state).toBe(state)
  }
  await become('dead')
  expect(b.uploads.size).toBe(1)
  await queue.cancel(id)
  await become(undefined)
  expect(await sync.tasks.get(id)).toMatchObject({ status: 'cancelled' })
  expect(b.uploads.size).toBe(0)
  expect(await notes()).toEqual([])
  stop.abort()
  await passing(clock, work)
})
