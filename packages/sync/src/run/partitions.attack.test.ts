import { at, StowageError, type SyncStore } from '@stowage/core'
import { FakeClock, Life, mortal, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions, type SyncResult } from '../index.ts'
import { FakeAdapter, fakeOwner, ledgerOf, patterned, runAs } from '../testing/index.ts'

const name = (i: number): string => `k${String(i).padStart(4, '0')}`

function setup(count: number) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a', pageSize: 5 })
  const b = new FakeAdapter({ id: 'b', pageSize: 5 })
  for (let i = 0; i < count; i++) a.seed(`src/${name(i)}`, patterned(10 + (i % 7), i))
  const passes = async <T>(work: Promise<T>, step = 250): Promise<T | StowageError> => {
    let ended = false
    const end = (): void => {
      ended = true
    }
    work.then(end, end)
    for (let i = 0; i < 5000 && !ended; i++) await clock.advance(step)
    return await work.catch((error: StowageError) => error)
  }
  /** Runs as one process of several, while time passes; an error that ends the run is its result. */
  const run = (
    pid: number,
    more: Partial<SyncOptions> = {},
    over: SyncStore = store,
    alive: (pid: number) => boolean = () => false,
  ): Promise<SyncResult | StowageError> => {
    const worker = { store: over, clock, owner: fakeOwner(pid, alive), random: seededRandom(pid) }
    return passes(runAs(worker, { from: at(a, 'src'), to: at(b, 'dst'), lanes: 2, ...more }))
  }
  return { clock, store, a, b, run, passes }
}

const bare = (side: FakeAdapter): string[] => Object.keys(side.contents()).map((key) => key.slice(4))

/** A store whose writes of some records are held up, and may fail then. */
function through(store: SyncStore, put: (key: string, value: string, expected: string | null) => Promise<void>) {
  return {
    now: () => store.now(),
    get: (key) => store.get(key),
    put: async (key, value, expected) => {
      await put(key, Buffer.from(value).toString(), expected)
      return await store.put(key, value, expected)
    },
    delete: (key, expected) => store.delete(key, expected),
    list: (prefix, options) => store.list(prefix, options),
    close: () => store.close(),
  } satisfies SyncStore
}

describe('the split of a partition', () => {
  it.each(['the new record', 'its name'])('that fails when the walk has come to the new border: %s', async (what) => {
    const { a, b, clock, store, run } = setup(400)
    a.options.before = async ({ operation, signal }) => {
      if (operation === 'get') await clock.sleep(100, signal)
    }
    let failed = 0
    let made = ''
    const slow = through(store, async (key, value, expected) => {
      if (!key.includes('/part/') || failed > 3) return
      const [state] = (await store.list('pair/')).filter((one) => one.endsWith('/state'))
      const pair = await store.get(state ?? 'none')
      if (
        !Buffer.from(pair?.value ?? [])
          .toString()
          .includes('"partitioning":{')
      )
        return
      if (what === 'the new record' ? expected === null : value.includes(`"next":"${made}"`)) {
        failed++
        await clock.sleep(5000)
        throw new StowageError('internal', 'Disk full.')
      }
      if (expected === null) made = key.slice(key.lastIndexOf('/') + 1)
    })
    const result = await run(1, { concurrency: 2 }, slow)
    expect(failed).toBeGreaterThan(0)
    if (!(result instanceof Error)) expect(result.status).toBe('success')
    if (result instanceof Error) expect(await run(2)).toMatchObject({ status: 'success' })
    expect(bare(b)).toEqual(bare(a))
    expect((await ledgerOf(store, clock, a, b)).map(({ key }) => key)).toEqual(bare(a))
  })
})

describe('unfinished uploads of partitions', () => {
  it.each(['failed', 'cancelled'])('are thrown away when the task has %s', async (how) => {
    const { a, b, clock, store, run } = setup(100)
    a.seed(`src/${name(77)}`, patterned(5000, 3))
    b.options.before = async ({ operation, signal }) => {
      if (operation !== 'uploadPart') return
      if (how === 'failed') throw new StowageError('access-denied', 'No.')
      await createSync({ store, clock, random: seededRandom(9) }).tasks.cancel('t1')
      await clock.sleep(1e7, signal)
    }
    const result = await run(1, { partSize: 1000, taskId: 't1' })
    expect(result).toMatchObject({ status: how })
    expect(b.calls.get('create')).toBeGreaterThan(0)
    expect(b.uploads.size).toBe(0)
    expect((await store.list('pair/')).filter((key) => key.includes('/upload/'))).toEqual([])
  })
})

describe('folders and files at borders', () => {
  /** With a target that cannot hold a file beside a folder of its name. */
  function disk(count: number) {
    const all = setup(count)
    const capabilities = { ...all.a.capabilities, keys: { ...all.a.capabilities.keys, objectAndFolder: false } }
    Object.assign(all.b, { capabilities })
    return all
  }

  it('an object that waited for deletes is told of when the next run makes none', async () => {
    const { a, b, run } = disk(100)
    a.seed(`src/${name(5)}/x`, 'x')
    a.objects.delete(`src/${name(5)}`)
    b.seed(`dst/${name(5)}`, 'in the way')
    const stopped = new AbortController()
    b.options.before = ({ operation, key }) => {
      if (operation === 'put' && key > `dst/${name(60)}`) stopped.abort()
    }
    const first = await run(1, { delete: true, signal: stopped.signal })
    expect(first).toMatchObject({ status: 'paused' })
    b.options.before = () => {}
    const second = await run(2, { delete: false })
    expect(b.objects.has(`dst/${name(5)}/x`)).toBe(false)
    expect(second).toMatchObject({ status: 'failed' })
  })

  it('an object that does not take part by its size forbids nothing', async () => {
    const { a, b, run } = disk(0)
    for (let i = 0; i < 60; i++) a.seed(`src/a-${name(i)}`, patterned(50, i))
    a.seed('src/a', 'x')
    for (let i = 0; i < 60; i++) a.seed(`src/a/${name(i)}`, patterned(50, i))
    const result = await run(1, { minSize: 10 })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 120, failed: 0 } })
    expect(bare(b)).toHaveLength(120)
  })

  it("an object that the caller's listing does not name forbids nothing", async () => {
    const { a, b, run } = disk(0)
    const keys: string[] = []
    for (let i = 0; i < 400; i++) keys.push(`a-${name(i)}`)
    for (let i = 0; i < 400; i++) keys.push(`a/${name(i)}`)
    for (const key of keys) a.seed(`src/${key}`, key)
    a.seed('src/a', 'x')
    async function* objects(after: string) {
      const page = keys.map((key) => ({ key, size: key.length, etag: a.objects.get(`src/${key}`)?.info.etag ?? '' }))
      yield page.filter(({ key }) => key > after)
    }
    const result = await run(1, { objects })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 800, failed: 0 } })
    expect(bare(b)).toHaveLength(800)
  })
})

describe('the share that may be deleted', () => {
  it.each([
    ['behind the first key of each', (i: number) => i % 2 === 0 && i > 60 && i < 150],
    ['behind some key', (i: number) => i % 17 === 5 && i > 60],
  ])('is one of what was there before partitions were left in the middle, %s', async (_, stuck) => {
    const { a, b, clock, run } = setup(200)
    for (let i = 0; i < 10; i++) b.seed(`dst/precious${i}`, 'x')
    a.options.before = async ({ operation, key, signal }) => {
      if (operation === 'get' && stuck(Number(key.slice(5)))) await clock.sleep(1e7, signal)
    }
    expect(await run(1, { delete: true, timeLimitMs: 5000, lanes: 4, concurrency: 40 })).toMatchObject({
      status: 'paused',
    })
    a.options.before = () => {}
    for (let i = 2; i < 4; i++) expect(await run(i, { delete: true })).toMatchObject({ code: 'unsafe' })
    expect(bare(b).filter((key) => key.startsWith('precious'))).toHaveLength(10)
  })
})

describe('a helper', () => {
  /** Two processes, the second a little later. */
  async function pair(
    count: number,
    more: Partial<SyncOptions>,
    during: (all: ReturnType<typeof setup>) => void,
    late = 2000,
  ) {
    const all = setup(count)
    const { a, b, clock, store, passes } = all
    a.options.before = async ({ operation, signal }) => {
      if (operation === 'get') await clock.sleep(400, signal)
    }
    during(all)
    const options = {
      from: at(a, 'src'),
      to: at(b, 'dst'),
      lanes: 2,
      concurrency: 2,
      join: true,
      taskId: 't1',
      ...more,
    }
    const worker = (pid: number) => ({ store, clock, owner: fakeOwner(pid, () => true), random: seededRandom(pid) })
    const settled = (work: Promise<SyncResult>) => work.catch((error: StowageError) => error)
    const both = Promise.all([
      settled(runAs(worker(1), options)),
      clock.sleep(late).then(() => settled(runAs(worker(2), options))),
    ])
    await passes(both)
    return { ...all, results: await both }
  }

  it.each([1500, 3000, 9000])('says that it helped, whenever the task ends (%i)', async (late) => {
    const { a, b, results } = await pair(120, {}, () => {}, late)
    expect(results.map((one) => (one as SyncResult).status)).toEqual(['success', 'helped'])
    expect(bare(b)).toEqual(bare(a))
  })

  it.each([4000, 4300, 4700, 5100])('does not go on with a task that was cancelled (%i)', async (when) => {
    const { b, results } = await pair(300, {}, ({ store, clock }) => {
      void clock.sleep(when).then(() => createSync({ store, clock, random: seededRandom(9) }).tasks.cancel('t1'))
    })
    expect((results[0] as SyncResult).status).toBe('cancelled')
    expect((results[1] as SyncResult).status).toMatch(/cancelled|helped/)
    expect(b.objects.size).toBeLessThan(300)
  })

  it('does not begin anew a task whose deletes were refused', async () => {
    const { a, b, results } = await pair(100, { delete: true, maxDeletePercent: 5 }, (all) => {
      for (let i = 0; i < 50; i++) all.b.seed(`dst/precious${i}`, 'x')
    })
    expect(results[0]).toMatchObject({ code: 'unsafe' })
    expect(results[1]).toMatchObject({ status: 'helped' })
    expect(bare(b)).toHaveLength(150)
    expect(bare(a)).toHaveLength(100)
  })
})

describe('a listing that lies in one partition only', () => {
  it.each(['unordered', 'looping', 'failing'])('%s: nothing is deleted', async (how) => {
    const { a, b, run } = setup(200)
    expect(await run(1)).toMatchObject({ status: 'success' })
    for (let i = 0; i < 20; i++) b.seed(`dst/${name(i * 10)}-extra`, 'x')
    const list = a.list.bind(a)
    a.list = async function* (options) {
      for await (const page of list(options)) {
        const inside = page.objects.some(({ key }) => key > `src/${name(150)}`)
        if (!inside) yield page
        else if (how === 'failing') throw new StowageError('access-denied', 'No.')
        else if (how === 'unordered') yield { ...page, objects: [...page.objects].reverse() }
        else for (;;) yield page
      }
    }
    const result = await run(2, { delete: true })
    expect(result).toBeInstanceOf(StowageError)
    expect(bare(b)).toHaveLength(220)
    a.list = list
    expect(await run(3, { delete: true })).toMatchObject({ status: 'success', objects: { deleted: 20 } })
  })
})

describe('a task that was left for a day', () => {
  it.each([1, 3, 5, 8, 12, 16, 20, 40, 60, 70, 80, 90, 100, 110, 120, 130, 140, 200])(
    'is looked at anew, though its next run is killed too (%i)',
    async (calls) => {
      const { a, b, clock, store, run, passes } = setup(100)
      const stopped = new AbortController()
      b.options.before = ({ operation, key }) => {
        if (operation === 'put' && key > `dst/${name(60)}`) stopped.abort()
      }
      expect(await run(1, { signal: stopped.signal })).toMatchObject({ status: 'paused' })
      b.options.before = () => {}
      await clock.advance(24 * 3600_000)
      a.seed('src/a-new-one', 'x')
      const life = new Life(calls, true)
      const worker = { store: mortal(store, 'store', life), clock, owner: fakeOwner(2), random: seededRandom(2) }
      const second = await passes(runAs(worker, { from: at(a, 'src'), to: at(b, 'dst'), lanes: 2 }))
      if (life.dead) expect(second).toBeInstanceOf(StowageError)
      await clock.advance(60_000)
      expect(await run(3)).toMatchObject({ status: 'success' })
      expect(bare(b)).toEqual(bare(a))
    },
  )
})
