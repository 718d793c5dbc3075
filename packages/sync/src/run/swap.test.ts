import { at, StowageError, s3KeyRules } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'

const keys = { ...s3KeyRules, objectAndFolder: false }

/** Both sides as folders are, with a page size at which a key and what lies below it come apart. */
function setup(pageSize = 1000) {
  const a = new FakeAdapter({ id: 'a', capabilities: { keys } })
  const b = new FakeAdapter({ id: 'b', capabilities: { keys }, pageSize })
  const sync = createSync({ store: memoryStore(), clock: new FakeClock(), random: seededRandom(1) })
  const run = (more: Partial<SyncOptions> = {}) =>
    sync.run({ from: at(a, 'src'), to: at(b, 'dst'), partSize: 1000, ...more })
  const same = () => {
    const [x, y] = [a, b].map((side) => Object.entries(side.contents()).map(([key, value]) => [key.slice(3), value]))
    expect(y).toEqual(x)
  }
  return { a, b, run, same }
}

function swapped(pageSize?: number) {
  const all = setup(pageSize)
  const { a } = all
  for (const key of ['file', 'keep', 'other', 'sub/a', 'sub/b/c', 'sub-1', 'sub-2']) a.seed(`src/${key}`, key)
  const swap = (): void => {
    for (const key of ['file', 'sub/a', 'sub/b/c']) a.objects.delete(`src/${key}`)
    a.seed('src/file/x', 'now a folder')
    a.seed('src/file/y', patterned(3500))
    a.seed('src/sub', 'now a file')
  }
  return { ...all, swap }
}

describe('a file that became a folder, and a folder that became a file', () => {
  it.each([1000, 2, 1])('come to be the same in the target with delete, in pages of %s', async (pageSize) => {
    const { run, same, swap } = swapped(pageSize)
    await run()
    swap()
    expect(await run({ delete: true, dryRun: true })).toMatchObject({
      status: 'success',
      objects: { copied: 3, skipped: 4, deleted: 3, failed: 0, conflicts: 0 },
    })
    expect(await run({ delete: true })).toMatchObject({
      status: 'success',
      objects: { copied: 3, skipped: 4, deleted: 3, failed: 0, conflicts: 0 },
      errors: [],
    })
    same()
    expect(await run({ delete: true })).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 7 } })
  })

  it('fail without delete, and name what is in the way', async () => {
    const { b, run, swap } = swapped()
    await run()
    swap()
    const before = b.contents()
    for (const dryRun of [true, false]) {
      const result = await run({ dryRun })
      expect(result).toMatchObject({ status: 'failed', objects: { copied: 0, conflicts: 3 } })
      expect(result.errors).toEqual([
        expect.objectContaining({ key: 'file/x', message: expect.stringMatching(/"file".*--delete/) }),
        expect.objectContaining({ key: 'file/y', message: expect.stringMatching(/"file".*--delete/) }),
        expect.objectContaining({ key: 'sub', code: 'conflict', message: expect.stringMatching(/"sub\/a".*--delete/) }),
      ])
    }
    expect(b.contents()).toEqual(before)
  })

  it('wait, as all deletes do, for the caps and for what failed', async () => {
    const { a, b, run, same, swap } = swapped()
    await run()
    swap()
    const before = b.contents()
    await expect(run({ delete: true, maxDeletePercent: 20 })).rejects.toMatchObject({ code: 'unsafe' })
    a.seed('src/new', 'x')
    a.options.before = ({ operation, key }) => {
      if (operation === 'get' && key === 'src/new') throw new StowageError('access-denied', 'No.')
    }
    expect(await run({ delete: true })).toMatchObject({
      status: 'failed',
      objects: { failed: 1, conflicts: 3, deleted: 0 },
    })
    expect(b.contents()).toEqual(before)
    a.options.before = () => {}
    expect(await run({ delete: true })).toMatchObject({ status: 'success' })
    same()
  })

  it('are brought to an end by the next run when one ended between the deletes and the copies', async () => {
    const { b, run, same, swap } = swapped()
    await run()
    swap()
    b.options.before = ({ operation }) => {
      if (operation === 'put') throw new StowageError('bucket-not-found', 'No.')
    }
    expect(await run({ delete: true })).toMatchObject({ status: 'failed', error: { code: 'bucket-not-found' } })
    b.options.before = () => {}
    expect(await run({ delete: true })).toMatchObject({ status: 'success' })
    same()
  })

  it('fail by name when what is in the way could not be deleted', async () => {
    const { b, run, swap } = swapped()
    await run()
    swap()
    const { deleteMany } = b
    b.deleteMany = async (list, options) => {
      const done = await deleteMany.call(
        b,
        list.filter((key) => key !== 'dst/file'),
        options,
      )
      return { ...done, failed: [{ key: 'dst/file', error: new StowageError('access-denied', 'No.') }] }
    }
    const result = await run({ delete: true })
    expect(result).toMatchObject({ status: 'failed', objects: { copied: 1, deleted: 2, failed: 1, conflicts: 2 } })
    expect(result.errors.map(({ key }) => key)).toEqual(['file', 'file/x', 'file/y'])
  })

  it('an excluded object in the way is told of as a conflict, not as one that is missing', async () => {
    const { run, swap } = swapped()
    await run()
    swap()
    const result = await run({ delete: true, exclude: ['sub/*', 'sub/b/*'] })
    expect(result).toMatchObject({ status: 'failed', errors: [{ key: 'sub', code: 'conflict' }, {}, {}] })
  })

  it('what the source hides behind an object stays', async () => {
    const { a, b, run } = setup()
    a.seed('src/k', 'x')
    a.seed('src/sub/a', 'x')
    await run()
    const { list } = a
    a.list = async function* (options) {
      for await (const page of list.call(a, options))
        yield { ...page, objects: page.objects.filter(({ key }) => key !== 'src/sub/a') }
    }
    a.seed('src/sub', 'hides')
    const result = await run({ delete: true })
    expect(result.warnings).toEqual([expect.stringContaining('"sub/a" was not deleted')])
    expect(result).toMatchObject({
      status: 'failed',
      objects: { deleted: 0 },
      errors: [{ key: 'sub', code: 'conflict' }],
    })
    expect(b.objects.has('dst/sub/a')).toBe(true)
  })
})
