import { at, StowageError, type SyncStore, s3KeyRules } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, isSafetyStop, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, type FakeAdapterOptions, patterned } from '../testing/index.ts'

function setup(options: FakeAdapterOptions = {}, store: SyncStore = memoryStore()) {
  let time = 1_000_000
  const now = () => time
  const a = new FakeAdapter({ id: 'a', now, ...options })
  const b = new FakeAdapter({ id: 'b', now, ...options })
  const sync = createSync({ store, clock: new FakeClock(), random: seededRandom(1) })
  const run = (more: Partial<SyncOptions> = {}) =>
    sync.run({ from: at(a, 'src'), to: at(b, 'dst'), twoWay: true, partSize: 1000, ...more })
  const later = (ms = 10_000): void => {
    time += ms
  }
  const inA = () => without(a.contents(), 'src/')
  const inB = () => without(b.contents(), 'dst/')
  const same = (): Record<string, string> => {
    expect(inB()).toEqual(inA())
    return inA()
  }
  return { a, b, store, sync, run, later, inA, inB, same }
}

function without(contents: Record<string, string>, prefix: string): Record<string, string> {
  const inside = Object.entries(contents).filter(([key]) => key.startsWith(prefix))
  return Object.fromEntries(inside.map(([key, value]) => [key.slice(prefix.length), value]))
}

const plain = { etagIsMd5: false, metadata: 'none' } as const
const kinds = [
  ['stores with MD5s and metadata', {}],
  ['stores without', plain],
  ['stores that know no conditions', { ...plain, conditional: none() }],
] as const

function none() {
  return { get: false, putCreateOnly: false, putIfMatch: false, completeCreateOnly: false, deleteIfMatch: false }
}

describe.each(kinds)('a two-way sync of %s', (_, capabilities) => {
  it('brings over what either side has, and then finds nothing to do', async () => {
    const { a, b, run, same } = setup({ capabilities })
    a.seed('src/one', 'one', { contentType: 'text/plain' })
    a.seed('src/big', patterned(5500))
    a.seed('src/equal', 'equal')
    b.seed('dst/equal', 'equal')
    b.seed('dst/two', 'two', { contentType: 'text/css' })
    b.seed('dst/sub/large', patterned(3300, 2))
    expect(await run()).toMatchObject({
      status: 'success',
      objects: { copied: 4, skipped: 1, deleted: 0, failed: 0, conflicts: 0 },
    })
    expect(Object.keys(same())).toEqual(['big', 'equal', 'one', 'sub/large', 'two'])
    const sent = a.bytesIn + b.bytesIn
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 5 } })
    expect(a.bytesIn + b.bytesIn).toBe(sent)
    expect([a.uploads.size, b.uploads.size]).toEqual([0, 0])
  })

  it('carries edits and deletes over, whichever side made them', async () => {
    const { a, b, run, same } = setup({ capabilities })
    for (const key of ['edit-a', 'edit-b', 'gone-a', 'gone-b', 'gone-both', 'keep', 'keep-2'])
      a.seed(`src/${key}`, 'old')
    await run()
    a.seed('src/edit-a', 'new')
    b.seed('dst/edit-b', 'NEW')
    a.objects.delete('src/gone-a')
    b.objects.delete('dst/gone-b')
    a.objects.delete('src/gone-both')
    b.objects.delete('dst/gone-both')
    const planned = await run({ dryRun: true })
    expect(planned).toMatchObject({ status: 'success', objects: { copied: 2, skipped: 2, deleted: 2 } })
    expect(await run()).toMatchObject({ status: 'success', objects: planned.objects })
    expect(same()).toEqual({ 'edit-a': 'new', 'edit-b': 'NEW', keep: 'old', 'keep-2': 'old' })
    expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 4, deleted: 0 } })
  })

  it('deletes nothing in its first run', async () => {
    const { a, b, run, same } = setup({ capabilities })
    a.seed('src/a', 'a')
    b.seed('dst/b', 'b')
    expect(await run({ maxDeletePercent: 100, allowEmpty: true })).toMatchObject({ objects: { copied: 2, deleted: 0 } })
    expect(same()).toEqual({ a: 'a', b: 'b' })
  })

  it('a change beats a delete, on either side', async () => {
    const { a, b, run, same } = setup({ capabilities })
    for (const key of ['x', 'y']) a.seed(`src/${key}`, 'old')
    await run()
    a.seed('src/x', 'new')
    b.objects.delete('dst/x')
    b.seed('dst/y', 'new')
    a.objects.delete('src/y')
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 2, deleted: 0, conflicts: 0 } })
    expect(same()).toEqual({ x: 'new', y: 'new' })
  })

  it('the same change on both sides is no conflict', async () => {
    const { a, b, run, same } = setup({ capabilities })
    a.seed('src/x', 'old')
    await run()
    a.seed('src/x', 'new')
    b.seed('dst/x', 'new')
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 1, conflicts: 0 } })
    expect(same()).toEqual({ x: 'new' })
  })

  it.each([
    ['source', 'A', 'target', 'B'],
    ['keep-both', 'A', 'target', 'B'],
    ['target', 'B', 'source', 'A'],
    ['newer', 'B', 'source', 'A'],
  ] as const)(
    'settles conflicts by "%s" and keeps the other version on both sides',
    async (conflict, wins, side, loses) => {
      const { a, b, run, later, same } = setup({ capabilities })
      for (const key of ['dir/doc.txt', 'big', 'other', 'more']) a.seed(`src/${key}`, 'old')
      await run()
      a.seed('src/dir/doc.txt', 'A')
      a.seed('src/big', `A${Buffer.from(patterned(4000, 1)).toString('latin1')}`)
      later()
      b.seed('dst/dir/doc.txt', 'B')
      b.seed('dst/big', `B${Buffer.from(patterned(3000, 2)).toString('latin1')}`)
      const planned = await run({ conflict, dryRun: true })
      const result = await run({ conflict })
      expect(result).toMatchObject({
        status: 'success',
        objects: { copied: 2, skipped: 2, conflicts: 2, failed: 0 },
        errors: [],
      })
      expect(planned.objects).toEqual(result.objects)
      expect(result.warnings.toSorted()).toEqual(
        ['big', 'dir/doc.txt'].map((key) =>
          expect.stringMatching(`^"${key}" was changed on both sides.*conflict-${side}`),
        ),
      )
      const all = same()
      expect(Object.keys(all)).toHaveLength(6)
      expect(all['dir/doc.txt']).toBe(wins)
      expect(all['big']?.[0]).toBe(wins)
      const aside = Object.entries(all).filter(([key]) => key.includes(`.conflict-${side}-`))
      expect(aside.map(([key]) => key.replace(/-[0-9a-f]{12}/, '-'))).toEqual([
        `big.conflict-${side}-`,
        `dir/doc.conflict-${side}-.txt`,
      ])
      expect(aside.map(([, text]) => text[0])).toEqual([loses, loses])
      expect(await run({ conflict })).toMatchObject({ objects: { copied: 0, skipped: 6, conflicts: 0, deleted: 0 } })
      // Cleaning up on one side is a delete like any other.
      for (const [key] of aside) a.objects.delete(`src/${key}`)
      expect(await run({ conflict })).toMatchObject({ objects: { copied: 0, skipped: 4, deleted: 2 } })
      expect(Object.keys(same())).toHaveLength(4)
    },
  )

  it('an edit that comes between the listing and the write is not lost', async () => {
    const { a, b, run, inB, same } = setup({ capabilities })
    a.seed('src/x', 'old')
    await run()
    a.seed('src/x', 'new from a')
    b.options.before = ({ operation }) => {
      if (operation !== 'list') return
      b.options.before = () => {}
      a.options.before = (call) => {
        if (call.operation !== 'get') return
        a.options.before = () => {}
        b.seed('dst/x', 'late from b')
      }
    }
    await run()
    await run()
    expect(Object.values(same()).sort()).toEqual(['late from b', 'new from a'])
    expect(inB()['x']).toBe('new from a')
  })

  it('nor is one that comes while a large object is sent', async () => {
    const { a, b, run, inB, same } = setup({ capabilities })
    const lookOnly = b.capabilities.conditional.completeIfMatch !== true
    a.seed('src/x', 'old')
    await run()
    a.seed('src/x', patterned(5000))
    b.options.before = ({ operation }) => {
      if (operation !== (lookOnly ? 'uploadPart' : 'complete')) return
      b.options.before = () => {}
      b.seed('dst/x', 'late from b')
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { conflicts: 1 } })
    expect(Object.keys(same())).toHaveLength(2)
    expect(inB()['x']).toHaveLength(5000)
    expect([a.uploads.size, b.uploads.size]).toEqual([0, 0])
  })

  it('an edit that comes before the delete is not lost', async () => {
    const { a, b, run, same } = setup({ capabilities })
    for (const key of ['x', 'y', 'z']) a.seed(`src/${key}`, 'old')
    await run()
    a.objects.delete('src/x')
    let heads = 0
    a.options.before = ({ operation, key }) => {
      if (operation === 'head' && key === 'src/x' && heads++ === 0) b.seed('dst/x', 'late')
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 1, deleted: 0 } })
    expect(same()).toEqual({ x: 'late', y: 'old', z: 'old' })
  })

  it('a delete on one side and a new object of the same name later are two things', async () => {
    const { a, b, run, same } = setup({ capabilities })
    for (const key of ['x', 'y', 'z']) a.seed(`src/${key}`, 'same')
    await run()
    a.objects.delete('src/x')
    await run()
    expect(b.objects.has('dst/x')).toBe(false)
    a.seed('src/x', 'same')
    expect(await run()).toMatchObject({ objects: { copied: 1, deleted: 0 } })
    expect(Object.keys(same())).toEqual(['x', 'y', 'z'])
  })
})

describe('safety of a two-way sync', () => {
  const many = ['a', 'b', 'c', 'd', 'e', 'f']

  async function synced() {
    const all = setup()
    for (const key of many) all.a.seed(`src/${key}`, key)
    await all.run()
    return all
  }

  it.each(['a', 'b'] as const)('refuses to empty one side because the other, %s, was emptied', async (which) => {
    const { a, b, run } = await synced()
    const emptied = which === 'a' ? a : b
    emptied.objects.clear()
    const before = [a.contents(), b.contents()]
    for (const dryRun of [true, false]) {
      const error = await run({ dryRun, maxDeletePercent: 100 }).catch((error: unknown) => error)
      expect(error).toMatchObject({ code: 'unsafe', field: which === 'a' ? 'from' : 'to' })
      expect(isSafetyStop(error)).toBe(true)
    }
    expect([a.contents(), b.contents()]).toEqual(before)
    expect(await run({ allowEmpty: true })).toMatchObject({ status: 'success', objects: { deleted: 6 } })
    expect([a.objects.size, b.objects.size]).toEqual([0, 0])
  })

  it('also when what the other side has new would make it look as if it were not', async () => {
    const { a, b, run } = await synced()
    a.objects.clear()
    for (let i = 0; i < 20; i++) b.seed(`dst/new-${i}`, 'x')
    for (let i = 0; i < 3; i++) await expect(run()).rejects.toMatchObject({ code: 'unsafe', field: 'from' })
    expect(b.objects.size).toBe(26)
  })

  it.each(['a', 'b'] as const)(
    'deletes no more than the share that is allowed, when %s lost too much',
    async (which) => {
      const { a, b, run } = await synced()
      const [side, prefix] = which === 'a' ? [a, 'src'] : [b, 'dst']
      for (const key of many.slice(0, 4)) side.objects.delete(`${prefix}/${key}`)
      for (let i = 0; i < 20; i++) side.seed(`${prefix}/new-${i}`, 'x')
      for (let i = 0; i < 3; i++)
        await expect(run()).rejects.toMatchObject({ code: 'unsafe', field: 'maxDeletePercent' })
      expect(Math.min(a.objects.size, b.objects.size)).toBeGreaterThanOrEqual(22)
      expect(await run({ maxDeletePercent: 90 })).toMatchObject({ status: 'success', objects: { deleted: 4 } })
      expect([a.objects.size, b.objects.size]).toEqual([22, 22])
    },
  )

  it.each([
    ['a', 'fails'],
    ['b', 'fails'],
    ['a', 'is unordered'],
    ['b', 'is unordered'],
  ] as const)('deletes nothing when the listing of %s %s', async (which, how) => {
    const { a, b, run } = await synced()
    a.objects.delete('src/a')
    b.objects.delete('dst/b')
    const before = [a.contents(), b.contents()]
    const side = which === 'a' ? a : b
    const { list } = side
    side.list = async function* (options) {
      for await (const page of list.call(side, options)) {
        if (how === 'fails') throw new StowageError('access-denied', 'No.')
        yield { ...page, objects: page.objects.toReversed() }
      }
    }
    await expect(run()).rejects.toMatchObject({ field: which === 'a' ? 'from' : 'to' })
    expect([a.contents(), b.contents()]).toEqual(before)
    side.list = list
    expect(await run()).toMatchObject({ status: 'success', objects: { deleted: 2 } })
  })

  it('holds deletes back while something fails, and keeps what it has to decide by', async () => {
    const { a, b, run, same } = await synced()
    a.objects.delete('src/a')
    a.seed('src/b', 'new')
    b.options.before = ({ operation, key }) => {
      if (operation === 'put' && key === 'dst/b') throw new StowageError('access-denied', 'No.')
    }
    const held = await run()
    expect(held).toMatchObject({ status: 'failed', objects: { deleted: 0, failed: 1 }, errors: [{ key: 'b' }] })
    expect(held.warnings).toEqual([expect.stringContaining('1 objects that one side deleted')])
    b.options.before = () => {}
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 1, deleted: 1, conflicts: 0 } })
    expect(Object.keys(same())).toEqual(many.slice(1))
  })

  it('keeps deletes to the side that made them when that is asked for, and carries them over later', async () => {
    const { a, b, run, same } = await synced()
    a.objects.delete('src/a')
    expect(await run({ delete: false })).toMatchObject({ status: 'success', objects: { copied: 0, deleted: 0 } })
    expect(b.objects.has('dst/a')).toBe(true)
    expect(await run()).toMatchObject({ objects: { deleted: 1 } })
    same()
  })

  it('writes into no managed root, on either side', async () => {
    for (const which of ['a', 'b'] as const) {
      const { a, b, run } = setup()
      const [side, prefix] = which === 'a' ? [a, 'src'] : [b, 'dst']
      side.seed(`${prefix}/deep/.stowage/root.json`, '{}')
      await expect(run()).rejects.toMatchObject({ code: 'unsafe', field: which === 'a' ? 'from' : 'to' })
    }
  })

  it('does not read the ledger of a sync in one direction, nor the other way round', async () => {
    const { a, b, run, same } = setup()
    for (const key of many) a.seed(`src/${key}`, key)
    await run({ twoWay: false })
    a.objects.delete('src/a')
    expect(await run()).toMatchObject({ objects: { copied: 1, deleted: 0 } })
    expect(Object.keys(same())).toEqual(many)
    b.objects.delete('dst/b')
    expect(await run({ twoWay: false })).toMatchObject({ objects: { copied: 1 } })
    same()
    b.objects.delete('dst/b')
    expect(await run()).toMatchObject({ objects: { deleted: 1 } })
  })

  it('is not to be run the other way round', async () => {
    const { a, b, sync, run } = setup()
    a.seed('src/a', 'a')
    await run()
    const wrong = sync.run({ from: at(b, 'dst'), to: at(a, 'src'), twoWay: true })
    await expect(wrong).rejects.toMatchObject({ code: 'configuration', field: 'from' })
  })

  it.each([
    [{ twoWay: false, conflict: 'newer' }, 'conflict'],
    [{ conflict: 'older' }, 'conflict'],
    [{ createOnly: true }, 'createOnly'],
    [{ objects: async function* () {} }, 'objects'],
    [{ datasetId: 'd' }, 'datasetId'],
  ] as const)('refuses options that make no sense: %j', async (options, field) => {
    const { run } = setup()
    await expect(run(options as object)).rejects.toMatchObject({ code: 'configuration', field })
  })
})

describe('runs that end early', () => {
  it('go on where they were, and come to the same end', async () => {
    const { a, b, store } = setup({ capabilities: plain, pageSize: 3 })
    const clock = new FakeClock()
    const sync = createSync({ store, clock, random: seededRandom(1) })
    const run = async (more: Partial<SyncOptions> = {}) =>
      await sync.run({ from: at(a, 'src'), to: at(b, 'dst'), twoWay: true, concurrency: 1, ...more })
    for (let i = 10; i < 20; i++) a.seed(`src/k${i}`, 'old')
    await run()
    for (let i = 10; i < 14; i++) a.objects.delete(`src/k${i}`)
    for (let i = 14; i < 17; i++) b.seed(`dst/k${i}`, 'new')
    for (const adapter of [a, b])
      adapter.options.before = async ({ operation, signal }) => {
        if (operation === 'put' || operation === 'delete') await clock.sleep(1000, signal)
      }
    let runs = 0
    for (let status = ''; status !== 'success'; runs++) {
      expect(runs).toBeLessThan(30)
      let ended = false
      const running = run({ timeLimitMs: 2500 }).finally(() => {
        ended = true
      })
      while (!ended) await clock.advance(100)
      const result = await running
      status = result.status
      if (status !== 'success') expect(result).toMatchObject({ status: 'paused', objects: { conflicts: 0, failed: 0 } })
    }
    expect(runs).toBeGreaterThan(2)
    expect(without(b.contents(), 'dst/')).toEqual(without(a.contents(), 'src/'))
    expect(a.objects.size).toBe(6)
    expect(a.contents()['src/k14']).toBe('new')
  })

  it('two prefixes of one store are two sides like any other', async () => {
    const { a, store } = setup()
    const sync = createSync({ store, clock: new FakeClock(), random: seededRandom(1) })
    const run = () => sync.run({ from: at(a, 'src'), to: at(a, 'dst'), twoWay: true, partSize: 1000 })
    a.seed('src/x', 'x')
    a.seed('dst/y', patterned(2500))
    await run()
    a.seed('src/x', 'ours')
    a.seed('dst/x', 'theirs')
    a.objects.delete('dst/y')
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 1, deleted: 1, conflicts: 1 } })
    const [left, right] = [without(a.contents(), 'src/'), without(a.contents(), 'dst/')]
    expect(right).toEqual(left)
    expect(Object.values(left).toSorted()).toEqual(['ours', 'theirs'])
  })
})

describe('with --checksum', () => {
  async function damaged() {
    const all = setup({ capabilities: plain })
    for (const key of ['x', 'y']) all.a.seed(`src/${key}`, 'good')
    await all.run()
    const object = all.b.objects.get('dst/x')
    if (object !== undefined) object.bytes = Buffer.from('baad')
    return all
  }

  it('bytes that changed while nobody wrote them are put right from the other side', async () => {
    const { run, same } = await damaged()
    expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 2 } })
    expect(await run({ checksum: true })).toMatchObject({ status: 'success', objects: { copied: 1, conflicts: 0 } })
    expect(same()).toEqual({ x: 'good', y: 'good' })
  })
})

describe('filters and key rules', () => {
  it('what a filter leaves out takes no part on either side', async () => {
    const { a, b, run, inA, inB } = setup()
    a.seed('src/a.txt', 'a')
    a.seed('src/a.tmp', 'a')
    b.seed('dst/b.txt', 'b')
    b.seed('dst/b.tmp', 'b')
    await run({ exclude: ['*.tmp'] })
    expect(Object.keys(inA())).toEqual(['a.tmp', 'a.txt', 'b.txt'])
    expect(Object.keys(inB())).toEqual(['a.txt', 'b.tmp', 'b.txt'])
    a.objects.delete('src/a.tmp')
    a.objects.delete('src/a.txt')
    expect(await run({ exclude: ['*.tmp'] })).toMatchObject({ objects: { deleted: 1 } })
    expect(Object.keys(inB())).toEqual(['b.tmp', 'b.txt'])
  })

  it('a key that one side cannot hold is told of, and stays where it is', async () => {
    const { a, b, run, inA } = setup()
    Object.assign(b.capabilities, { keys: { ...s3KeyRules, emptySegments: false } })
    a.seed('src/x//y', 'x')
    a.seed('src/ok', 'x')
    for (let i = 0; i < 2; i++) {
      expect(await run()).toMatchObject({
        status: 'failed',
        objects: { copied: 1 - i, failed: 1 },
        errors: [{ key: 'x//y', code: 'invalid-key' }],
      })
    }
    expect(Object.keys(inA())).toEqual(['ok', 'x//y'])
  })

  const folders = { keys: { ...s3KeyRules, objectAndFolder: false } }

  it.each([1000, 2, 1])('files become folders and folders files on one side, in pages of %s', async (pageSize) => {
    for (const side of ['a', 'b'] as const) {
      const { a, b, run, same } = setup({ capabilities: folders, pageSize })
      for (const key of ['file', 'keep', 'other', 'sub/a', 'sub/b/c', 'sub-1', 'sub-2']) a.seed(`src/${key}`, key)
      await run()
      const [changed, prefix] = side === 'a' ? [a, 'src'] : [b, 'dst']
      for (const key of ['file', 'sub/a', 'sub/b/c']) changed.objects.delete(`${prefix}/${key}`)
      changed.seed(`${prefix}/file/x`, 'now a folder')
      changed.seed(`${prefix}/sub`, 'now a file')
      expect(await run({ dryRun: true })).toMatchObject({ status: 'success', objects: { copied: 2, deleted: 3 } })
      expect(await run()).toMatchObject({
        status: 'success',
        objects: { copied: 2, deleted: 3, conflicts: 0 },
        errors: [],
      })
      expect(Object.keys(same())).toEqual(['file/x', 'keep', 'other', 'sub', 'sub-1', 'sub-2'])
      expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 6, deleted: 0 } })
    }
  })

  it('a file on one side and a folder on the other cannot both be, are told of, and nothing is lost', async () => {
    const { a, b, run, inA, inB } = setup({ capabilities: folders })
    a.seed('src/x', 'file')
    b.seed('dst/x/y', 'in a folder')
    for (let i = 0; i < 2; i++) {
      const result = await run()
      expect(result).toMatchObject({ status: 'failed', objects: { copied: 0, conflicts: 2 } })
      expect(result.errors.map(({ key, code }) => [key, code])).toEqual([
        ['x', 'conflict'],
        ['x/y', 'conflict'],
      ])
    }
    expect([inA(), inB()]).toEqual([{ x: 'file' }, { 'x/y': 'in a folder' }])
  })

  it('a touched file and an edit on the other side are no conflict', async () => {
    const { a, b, run, same } = setup({ capabilities: plain })
    a.seed('src/x', 'old')
    await run()
    a.seed('src/x', 'old')
    b.seed('dst/x', 'new')
    expect(await run()).toMatchObject({ objects: { copied: 1, conflicts: 0 } })
    expect(same()).toEqual({ x: 'new' })
  })
})
