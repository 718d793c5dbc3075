import { at, type Capabilities, StowageError, s3KeyRules } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, isSafetyStop, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'

const partSize = 1000

function setup(target: Partial<Capabilities> = {}, source: Partial<Capabilities> = {}) {
  const clock = new FakeClock()
  const a = new FakeAdapter({ id: 'a', pageSize: 3, capabilities: source })
  const b = new FakeAdapter({ id: 'b', pageSize: 3, capabilities: target })
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1) })
  const options = (more: Partial<SyncOptions> = {}): SyncOptions => ({
    from: at(a, 'src'),
    to: at(b, 'dst'),
    partSize,
    ...more,
  })
  /** Runs while time passes as fast as it can. */
  const run = async (more: Partial<SyncOptions> = {}) => {
    const running = sync.run(options(more))
    let ended = false
    const end = (): void => {
      ended = true
    }
    running.then(end, end)
    for (let i = 0; i < 2000 && !ended; i++) await clock.advance(1000)
    return await running
  }
  return { clock, a, b, sync, run }
}

const fail = (code: ConstructorParameters<typeof StowageError>[0]) => new StowageError(code, `told to: ${code}`)

describe('a listing that fails', () => {
  it.each([
    ['the source', 'a', 'from'],
    ['the target', 'b', 'to'],
  ] as const)(
    'of %s, on a later page, stops the run within about a minute; nothing is deleted',
    async (_, side, field) => {
      const { clock, a, b, run, ...all } = setup()
      for (let i = 0; i < 9; i++) a.seed(`src/k${i}`, 'x')
      for (let i = 0; i < 9; i++) b.seed(`dst/extra${i}`, 'x')
      const adapter = { a, b }[side]
      adapter.options.before = ({ operation, key }) => {
        if (operation === 'list' && key !== '') throw fail('unavailable')
      }
      const began = clock.now()
      const error = await run({ delete: true, maxDeletePercent: 100 }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'unavailable', field, sourceId: side })
      expect(isSafetyStop(error)).toBe(true)
      expect(clock.now() - began).toBeLessThan(90_000)
      expect([...b.objects.keys()].filter((key) => key.includes('extra'))).toHaveLength(9)
      // The pages before may be worked on; nothing behind the failed one is.
      expect(b.calls.get('put') ?? 0).toBeLessThanOrEqual(3)
      const tasks = []
      for await (const { status, errorCode } of all.sync.tasks.list()) tasks.push([status, errorCode])
      expect(tasks).toEqual([['failed', 'unavailable']])
      adapter.options.before = () => {}
      expect(await run({ delete: true, maxDeletePercent: 100 })).toMatchObject({
        status: 'success',
        objects: { deleted: 9 },
      })
    },
  )

  it('for a moment only, goes on behind the last key', async () => {
    const { a, b, run } = setup()
    for (let i = 0; i < 9; i++) a.seed(`src/k${i}`, 'x')
    let failures = 0
    a.options.before = ({ operation, key }) => {
      if (operation === 'list' && key === 'src/k5' && failures++ < 3) throw fail('throttled')
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 9 } })
    expect(b.objects.size).toBe(9)
  })

  it('that is refused is not tried again and again', async () => {
    const { a, b, run } = setup()
    b.options.before = ({ operation }) => {
      if (operation === 'list') throw fail('access-denied')
    }
    a.seed('src/k', 'x')
    await expect(run()).rejects.toMatchObject({ code: 'access-denied', field: 'to' })
    expect(b.calls.get('list')).toBe(1)
    expect(b.objects.size).toBe(0)
  })

  it('out of order stops the run', async () => {
    const { a, b, run } = setup()
    for (const key of ['a', 'b']) b.seed(`dst/${key}`, 'x')
    a.seed('src/a', 'x')
    b.list = async function* () {
      const rows = [...b.objects.values()].map(({ info }) => info).reverse()
      yield { objects: rows, prefixes: [] }
    }
    await expect(run({ delete: true })).rejects.toMatchObject({ code: 'unsafe', field: 'to' })
    expect(b.objects.size).toBe(2)
  })

  it('that cannot show everything deletes nothing', async () => {
    const { a, b, run } = setup()
    for (const key of ['a', 'b', 'c']) a.seed(`src/${key}`, 'x')
    b.seed('dst/extra', 'x')
    b.skipped = [{ name: 'odd', reason: 'is not UTF-8', severity: 'problem' }]
    const result = await run({ delete: true, maxDeletePercent: 100 })
    expect(result).toMatchObject({ status: 'success', objects: { deleted: 0, copied: 3 } })
    expect(result.warnings.join()).toContain('not deleted')
    b.skipped = []
    a.skipped = [{ name: 'odd', reason: 'is not UTF-8', severity: 'problem' }]
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', objects: { deleted: 0, failed: 1 } })
  })
})

describe('one object that fails', () => {
  it('is told, does not stop the others, and keeps everything from being deleted', async () => {
    const { a, b, run } = setup()
    for (const key of ['a', 'b', 'c']) a.seed(`src/${key}`, 'x')
    b.seed('dst/extra', 'x')
    a.options.before = ({ operation, key }) => {
      if (operation === 'get' && key === 'src/b') throw fail('access-denied')
    }
    const result = await run({ delete: true, maxDeletePercent: 100 })
    expect(result).toMatchObject({ status: 'failed', objects: { copied: 2, failed: 1, deleted: 0 } })
    expect(result.errors).toEqual([{ key: 'b', code: 'access-denied', message: 'told to: access-denied' }])
    a.options.before = () => {}
    expect(await run({ delete: true, maxDeletePercent: 100 })).toMatchObject({
      status: 'success',
      objects: { copied: 1, skipped: 2, deleted: 1 },
    })
  })

  it('for a moment is tried again; one that is gone meanwhile is no failure', async () => {
    const { a, b, run } = setup()
    for (const key of ['a', 'b', 'c']) a.seed(`src/${key}`, 'x')
    let failures = 0
    b.options.before = ({ operation, key }) => {
      if (operation === 'put' && key === 'dst/a' && failures++ < 2) throw fail('unavailable')
    }
    a.options.before = ({ operation, key }) => {
      if (operation === 'get' && key === 'src/b') a.objects.delete(key)
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 2, failed: 0 } })
    expect(Object.keys(b.contents())).toEqual(['dst/a', 'dst/c'])
  })

  it('that changes while it is copied is copied as it is then, never mixed', async () => {
    const { a, b, run } = setup()
    a.seed('src/big', patterned(5 * partSize, 1))
    a.seed('src/small', 'old')
    let parts = 0
    a.options.before = ({ operation, key }) => {
      if (operation !== 'get') return
      if (key === 'src/big' && ++parts === 4) a.seed('src/big', patterned(6 * partSize, 2))
      if (key === 'src/small' && a.contents()['src/small'] === 'old') a.seed('src/small', 'newer')
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 2 } })
    expect(b.contents()).toMatchObject({ 'dst/big': a.contents()['src/big'], 'dst/small': 'newer' })
    expect(b.uploads.size).toBe(0)
    expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 2 } })
  })

  it('that changes all the time fails, and leaves no upload', async () => {
    const { a, b, run } = setup()
    a.seed('src/big', patterned(3 * partSize, 1))
    let n = 0
    a.options.before = ({ operation }) => {
      if (operation === 'get') a.seed('src/big', patterned(3 * partSize, ++n))
    }
    expect(await run()).toMatchObject({ status: 'failed', errors: [{ key: 'big', code: 'source-changed' }] })
    expect(b.uploads.size).toBe(0)
    expect(b.objects.size).toBe(0)
  })

  it('that arrives too short is not stored', async () => {
    const { a, b, run } = setup()
    a.seed('src/k', 'hello')
    const get = a.get.bind(a)
    // A server whose length agrees with its short body.
    a.get = async (...args) => {
      a.objects.get('src/k')!.bytes = Buffer.from('hel')
      const result = await get(...args)
      return { ...result, info: { ...result.info, size: 3 }, range: { start: 0, length: 3 } }
    }
    expect(await run()).toMatchObject({ status: 'failed', errors: [{ key: 'k', code: 'source-changed' }] })
    expect(b.objects.size).toBe(0)
  })
})

describe('a store that is down', () => {
  it('for half a minute costs nothing but time', async () => {
    const { clock, a, b, run } = setup()
    for (let i = 0; i < 40; i++) a.seed(`src/k${String(i).padStart(2, '0')}`, 'x')
    const until = clock.now() + 30_000
    b.options.before = ({ operation }) => {
      if (operation === 'put' && clock.now() < until) throw fail('unavailable')
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 40, failed: 0 } })
  })

  it('for good ends the run in a few minutes, with everything recorded and few calls', async () => {
    const { clock, a, b, run } = setup()
    for (let i = 0; i < 500; i++) a.seed(`src/k${String(i).padStart(3, '0')}`, 'x')
    let puts = 0
    b.options.before = ({ operation }) => {
      if (operation === 'put' && ++puts > 100) throw fail('unavailable')
    }
    const began = clock.now()
    const result = await run()
    expect(result).toMatchObject({ status: 'failed', error: { code: 'unavailable' } })
    expect(clock.now() - began).toBeLessThan(200_000)
    expect(puts).toBeLessThan(600)
    b.options.before = () => {}
    const again = await run()
    expect(again).toMatchObject({ status: 'success' })
    expect(again.objects.copied + result.objects.copied).toBe(500)
  })

  it.each(['no-space', 'bucket-not-found'] as const)('%s ends the run at once', async (code) => {
    const { a, b, run } = setup()
    for (let i = 0; i < 100; i++) a.seed(`src/k${i}`, 'x')
    b.options.before = ({ operation }) => {
      if (operation === 'put') throw fail(code)
    }
    expect(await run()).toMatchObject({ status: 'failed', error: { code } })
    expect(b.calls.get('put')).toBeLessThan(40)
  })

  it('closed to us as a whole ends the run; deletes that are refused are told by key', async () => {
    const { a, b, run } = setup()
    for (let i = 0; i < 200; i++) a.seed(`src/k${i}`, 'x')
    b.options.before = ({ operation }) => {
      if (operation === 'put') throw fail('access-denied')
    }
    expect(await run()).toMatchObject({ status: 'failed', error: { code: 'access-denied' } })
    expect(b.calls.get('put')).toBeLessThan(60)
    b.options.before = () => {}
    await run()
    b.seed('dst/x1', 'x')
    b.seed('dst/x2', 'x')
    b.deleteMany = async (keys) => ({
      deleted: keys.filter((key) => key !== 'dst/x1'),
      failed: [{ key: 'dst/x1', error: fail('access-denied') }],
    })
    expect(await run({ delete: true })).toMatchObject({
      status: 'failed',
      objects: { deleted: 1, failed: 1 },
      errors: [{ key: 'x1', code: 'access-denied' }],
    })
  })
})

describe('keys and filters', () => {
  it('what the target cannot hold fails by itself, with the reason', async () => {
    const { a, b, run } = setup({ keys: { ...s3KeyRules, emptySegments: false, objectAndFolder: false } })
    for (const key of ['a', 'a-b', 'a/b', 'a/c/d', 'b//c', 'ok']) a.seed(`src/${key}`, 'x')
    const result = await run()
    expect(result).toMatchObject({ status: 'failed', objects: { copied: 3, failed: 3 } })
    expect(result.errors.map(({ key, code }) => [key, code])).toEqual([
      ['a/b', 'invalid-key'],
      ['a/c/d', 'invalid-key'],
      ['b//c', 'invalid-key'],
    ])
    expect(Object.keys(b.contents())).toEqual(['dst/a', 'dst/a-b', 'dst/ok'])
  })

  it('filters hold on both sides, and keep from deleting', async () => {
    const { a, b, run } = setup()
    for (const key of ['a.txt', 'b.tmp', 'cache/x.txt', 'deep/c.txt', '.stowage/catalog.db']) a.seed(`src/${key}`, 'x')
    for (const key of ['old.txt', 'old.tmp', 'cache/y.txt', '.stowage/mine']) b.seed(`dst/${key}`, 'x')
    const result = await run({ delete: true, maxDeletePercent: 100, include: ['*.txt'], exclude: ['cache/'] })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 2, deleted: 1 } })
    expect(Object.keys(b.contents())).toEqual([
      'dst/.stowage/mine',
      'dst/a.txt',
      'dst/cache/y.txt',
      'dst/deep/c.txt',
      'dst/old.tmp',
    ])
    await run({ delete: true, maxDeletePercent: 100 })
    expect(Object.keys(b.contents())).toEqual([
      'dst/.stowage/mine',
      'dst/a.txt',
      'dst/b.tmp',
      'dst/cache/x.txt',
      'dst/deep/c.txt',
    ])
  })

  it('what is too large, small, old or new is neither written nor deleted', async () => {
    const { clock, a, b, run } = setup()
    for (const side of [a, b]) side.options.now = () => clock.now()
    a.seed('src/grown', 'x'.repeat(50))
    a.seed('src/small', 'x')
    a.seed('src/right', 'x'.repeat(10))
    b.seed('dst/grown', 'x'.repeat(10))
    b.seed('dst/extra', 'y'.repeat(10))
    b.seed('dst/extra-large', 'y'.repeat(50))
    const result = await run({ delete: true, maxDeletePercent: 100, minSize: 5, maxSize: 20 })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 1, deleted: 1 } })
    expect(Object.keys(b.contents())).toEqual(['dst/extra-large', 'dst/grown', 'dst/right'])
    expect(b.objects.get('dst/grown')?.bytes.length).toBe(10)

    await clock.advance(3_600_000)
    a.seed('src/new', 'x')
    b.seed('dst/extra-new', 'x')
    const old = await run({ delete: true, maxDeletePercent: 100, minAgeMs: 60_000 })
    expect(old.objects).toMatchObject({ copied: 2, deleted: 1 })
    expect(Object.keys(b.contents())).toEqual(['dst/extra-new', 'dst/grown', 'dst/right', 'dst/small'])
    const recent = await run({ maxAgeMs: 600_000 })
    expect(recent.objects.copied).toBe(1)
    expect(Object.keys(b.contents())).toContain('dst/new')
  })

  it.each([
    [{ minSize: -1 }, 'minSize'],
    [{ minSize: 2, maxSize: 1 }, 'minSize'],
    [{ minAgeMs: 2, maxAgeMs: 1 }, 'minAgeMs'],
    [{ maxAgeMs: 1.5 }, 'maxAgeMs'],
    [{ maxSize: 1, twoWay: true }, 'maxSize'],
  ])('%j is refused', async (more, field) => {
    await expect(setup().run(more)).rejects.toMatchObject({ code: 'configuration', field })
  })

  it('a source that may hide the folder behind an object is not taken for an empty one', async () => {
    const { a, b, run } = setup({}, { keys: { ...s3KeyRules, objectAndFolder: false } })
    a.seed('src', 'an object')
    b.seed('dst/k', 'x')
    await expect(run({ delete: true, allowEmpty: true })).rejects.toMatchObject({ code: 'unsafe', field: 'from' })
    a.objects.delete('src')
    expect(await run({ delete: true, allowEmpty: true })).toMatchObject({ status: 'success', objects: { deleted: 1 } })
  })
})

describe('what may be the same already', () => {
  it('is not sent again when MD5s or the note of the origin say so, and is when only the size does', async () => {
    for (const native of [true, false]) {
      const { a, b, run } = setup({ etagIsMd5: false, metadata: native ? 'native' : 'none' })
      a.seed('src/k', 'hello')
      b.seed('dst/k', 'hello', { metadata: { 'stowage-origin': `a;${(await a.head('src/k')).etag}` } })
      a.seed('src/l', 'hello')
      b.seed('dst/l', 'hullo')
      expect((await run()).objects).toMatchObject(native ? { copied: 1, skipped: 1 } : { copied: 2, skipped: 0 })
      expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 2 } })
    }
    const { a, b, run } = setup()
    a.seed('src/k', 'hello')
    b.seed('dst/k', 'hello')
    expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 1 } })
    expect(b.calls.get('head')).toBe(2)
  })

  it('checksum reads both sides and trusts nothing else', async () => {
    const { a, b, run } = setup()
    a.seed('src/k', 'hello')
    a.seed('src/l', 'hello')
    await run()
    // Damage below the store: etag and size stay as they were.
    b.objects.get('dst/k')!.bytes = Buffer.from('hEllo')
    expect(await run()).toMatchObject({ objects: { copied: 0 } })
    expect(await run({ checksum: true })).toMatchObject({ status: 'success', objects: { copied: 1, skipped: 1 } })
    expect(b.contents()['dst/k']).toBe('hello')
  })

  it('create only never replaces: the same is fine, other contents are a conflict', async () => {
    for (const putCreateOnly of [true, false]) {
      const conditional = {
        get: true,
        putCreateOnly,
        putIfMatch: true,
        completeCreateOnly: putCreateOnly,
        deleteIfMatch: true,
      }
      const { a, b, run } = setup({ conditional, etagIsMd5: false, metadata: 'none' })
      for (const key of ['same', 'other', 'size', 'new']) a.seed(`src/${key}`, 'hello')
      a.seed('src/big-other', patterned(3 * partSize))
      a.seed('src/big-same', patterned(3 * partSize))
      b.seed('dst/same', 'hello')
      b.seed('dst/other', 'hullo')
      b.seed('dst/size', 'hi')
      b.seed('dst/big-other', patterned(2 * partSize))
      b.seed('dst/big-same', patterned(3 * partSize))
      const result = await run({ createOnly: true })
      expect(result).toMatchObject({ status: 'failed', objects: { copied: 1, skipped: 2, conflicts: 3, failed: 0 } })
      expect(b.contents()).toMatchObject({ 'dst/other': 'hullo', 'dst/size': 'hi', 'dst/new': 'hello' })
      expect(b.objects.get('dst/big-other')!.bytes.length).toBe(2 * partSize)
      expect(b.uploads.size).toBe(0)
    }
  })
})
