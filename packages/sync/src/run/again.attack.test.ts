import { at, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions, type SyncResult } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'

function setup() {
  const clock = new FakeClock()
  const a = new FakeAdapter({ id: 'a', pageSize: 3 })
  const b = new FakeAdapter({ id: 'b', pageSize: 3 })
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1) })
  /** Runs while time passes as fast as it can; an error that ends the run is its result. */
  const run = async (more: Partial<SyncOptions> = {}): Promise<SyncResult | StowageError> => {
    const running = sync.run({ from: at(a, 'src'), to: at(b, 'dst'), partSize: 1000, ...more })
    let ended = false
    const end = (): void => {
      ended = true
    }
    running.then(end, end)
    for (let i = 0; i < 2000 && !ended; i++) await clock.advance(1000)
    return await running.catch((error: StowageError) => error)
  }
  return { clock, a, b, run }
}

const precious = (b: FakeAdapter): number => [...b.objects.keys()].filter((key) => key.includes('precious')).length

describe('the share that may be deleted', () => {
  function wrongSource() {
    const all = setup()
    for (let i = 0; i < 10; i++) all.b.seed(`dst/precious${i}`, 'x')
    for (let i = 0; i < 100; i++) all.a.seed(`src/k${i}`, 'y')
    return all
  }

  it('is one of what was there before: running a refused sync again is refused again', async () => {
    const { b, run } = wrongSource()
    for (let i = 0; i < 3; i++) expect(await run({ delete: true })).toMatchObject({ code: 'unsafe' })
    expect(await run({ delete: true, dryRun: true })).toMatchObject({ code: 'unsafe' })
    expect(precious(b)).toBe(10)
    expect(await run({ delete: true, maxDeletePercent: 100 })).toMatchObject({ objects: { deleted: 10 } })
  })

  it('also when the run before was stopped, or an object of it failed', async () => {
    const { a, b, clock, run } = wrongSource()
    a.options.before = async ({ operation, key, signal }) => {
      if (operation === 'get' && key === 'src/k60') await clock.sleep(1e7, signal).catch(() => {})
    }
    expect(await run({ delete: true, concurrency: 1, timeLimitMs: 5000 })).toMatchObject({ status: 'paused' })
    a.options.before = ({ operation, key }) => {
      if (operation === 'get' && key === 'src/k99') throw new StowageError('access-denied', 'No.')
    }
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', objects: { deleted: 0 } })
    a.options.before = () => {}
    expect(await run({ delete: true })).toMatchObject({ code: 'unsafe' })
    expect(precious(b)).toBe(10)
  })

  it('does not hold up objects that came from the source and are gone there, however often a run was stopped', async () => {
    const { a, b, clock, run } = setup()
    for (let i = 10; i < 60; i++) a.seed(`src/k${i}`, 'y')
    a.options.before = async ({ operation, key, signal }) => {
      if (operation === 'get' && key === 'src/k50') await clock.sleep(1e7, signal).catch(() => {})
    }
    expect(await run({ delete: true, concurrency: 1, timeLimitMs: 5000 })).toMatchObject({ status: 'paused' })
    a.options.before = () => {}
    a.objects.delete('src/k10')
    expect(await run({ delete: true })).toMatchObject({ status: 'success', objects: { deleted: 1 } })
    expect(b.objects.has('dst/k10')).toBe(false)
  })
})

describe('deletes that were agreed to', () => {
  it('stay so when the run ends amid them, or an object fails again and again', async () => {
    const { a, b, run } = setup()
    for (let i = 10; i < 60; i++) a.seed(`src/k${i}`, 'y')
    const deny = (operation: string) => {
      a.options.before = (call) => {
        if (call.operation === 'get' && call.key === 'src/k59') throw new StowageError('access-denied', 'No.')
      }
      b.options.before = (call) => {
        if (call.operation === operation) throw new StowageError('bucket-not-found', 'No.')
      }
    }
    deny('none')
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', objects: { copied: 49 } })
    a.objects.delete('src/k10')
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', objects: { deleted: 0 } })
    a.options.before = () => {}
    deny('deleteMany')
    a.options.before = () => {}
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', error: { code: 'bucket-not-found' } })
    b.options.before = () => {}
    expect(await run({ delete: true })).toMatchObject({ status: 'success', objects: { deleted: 1 } })
  })
})

describe('an object that failed before a run was stopped', () => {
  it('is tried again before a later run may call itself a success', async () => {
    const { a, b, clock, run } = setup()
    for (let i = 10; i < 50; i++) a.seed(`src/k${i}`, `y${i}`)
    a.options.before = ({ operation, key }) => {
      if (operation === 'get' && key === 'src/k13') throw new StowageError('access-denied', 'No.')
    }
    b.options.before = async ({ operation, key, signal }) => {
      if (operation === 'put' && key >= 'dst/k30') await clock.sleep(1e7, signal).catch(() => {})
    }
    expect(await run({ timeLimitMs: 5000, concurrency: 1 })).toMatchObject({ status: 'paused', objects: { failed: 1 } })
    b.options.before = () => {}
    a.options.before = async ({ operation, key, signal }) => {
      // The second look, at what lies before the place where this run began, takes longer than there is time.
      if (operation === 'list' && key === '') await clock.sleep(1e7, signal).catch(() => {})
    }
    expect(await run({ timeLimitMs: 20_000 })).toMatchObject({ status: 'paused' })
    expect(b.objects.has('dst/k13')).toBe(false)
    a.options.before = () => {}
    expect(await run()).toMatchObject({ status: 'success' })
    expect(b.objects.size).toBe(40)
  })
})

describe('a store that gives no etags', () => {
  it('is never taken at its word for an object of the same size', async () => {
    const { a, b, run } = setup()
    const seed = (content: string): void => {
      a.seed('src/k', content)
      const object = a.objects.get('src/k')
      if (object !== undefined) object.info.etag = ''
    }
    seed('one')
    await run()
    seed('two')
    expect(await run()).toMatchObject({ objects: { copied: 1 } })
    expect(b.contents()).toEqual({ 'dst/k': 'two' })
  })
})

describe('a target that goes away while objects are deleted', () => {
  it.each(['unavailable', 'bucket-not-found'] as const)('ends the run with its own code: %s', async (code) => {
    const { a, b, run } = setup()
    a.seed('src/k', 'y')
    b.seed('dst/k', 'y')
    b.seed('dst/x', 'y')
    b.options.before = ({ operation }) => {
      if (operation === 'deleteMany') throw new StowageError(code, 'No.')
    }
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', objects: { deleted: 0 } })
    b.options.before = () => {}
    expect(await run({ delete: true })).toMatchObject({ status: 'success', objects: { deleted: 1 } })
  })
})

describe('a store that answers a completion with success and does nothing', () => {
  it('is not believed, also when an older object of the same size lies there', async () => {
    const { a, b, run } = setup()
    a.seed('src/big', patterned(3500))
    b.seed('dst/big', patterned(3500, 2))
    const { complete } = b.multipart
    b.multipart.complete = async () => ({ etag: 'said' })
    expect(await run()).toMatchObject({ status: 'failed', errors: [{ key: 'big', code: 'integrity' }] })
    b.multipart.complete = complete
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 1 } })
    expect(Buffer.compare(b.objects.get('dst/big')?.bytes ?? Buffer.of(), patterned(3500))).toBe(0)
    expect(b.uploads.size).toBe(0)
  })
})

describe('one storage under two names', () => {
  it('is not synced into itself', async () => {
    const { a, b, run } = setup()
    a.seed('src/k', 'x')
    for (const adapter of [a, b]) {
      const locate = async () => ({ store: 'same', path: adapter === a ? 'top/' : 'top/below/' })
      Object.assign(adapter, { locate })
    }
    for (const dryRun of [true, false]) expect(await run({ dryRun })).toMatchObject({ code: 'unsafe', field: 'to' })
    expect(b.calls.get('put')).toBeUndefined()
  })
})
