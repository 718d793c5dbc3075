import { at, hasCode, type StorageAdapter, StowageError, type SyncStore } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, isSafetyStop, memoryStore, type Sync } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

function setup(store: SyncStore = memoryStore()): { sync: Sync; a: FakeAdapter; b: FakeAdapter } {
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  const sync = createSync({ store, clock: new FakeClock(), random: seededRandom(1) })
  return { sync, a, b }
}

const places = (a: StorageAdapter, b: StorageAdapter) => ({ from: at(a, 'src'), to: at(b, 'dst') })

function bytes(size: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255)
}

describe('a one way sync', () => {
  it('copies what is missing, with headers and metadata, and then finds nothing to do', async () => {
    const { sync, a, b } = setup()
    a.seed('src/a.txt', 'hello', { contentType: 'text/plain', cacheControl: 'no-cache', metadata: { owner: 'ada' } })
    a.seed('src/sub/b.bin', bytes(1000))
    a.seed('srcx/other', 'not ours')
    const first = await sync.run(places(a, b))
    expect(first).toMatchObject({
      status: 'success',
      objects: { copied: 2, skipped: 0, failed: 0 },
      bytes: { transferred: 1005, total: 1005 },
    })
    expect(Object.keys(b.contents())).toEqual(['dst/a.txt', 'dst/sub/b.bin'])
    expect(await b.head('dst/a.txt')).toMatchObject({
      contentType: 'text/plain',
      cacheControl: 'no-cache',
      metadata: { owner: 'ada', 'stowage-origin': `a;${(await a.head('src/a.txt')).etag}` },
    })
    const second = await sync.run(places(a, b))
    expect(second).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 2 }, bytes: { transferred: 0 } })
    expect(second.taskId).not.toBe(first.taskId)
    expect(await sync.tasks.get(first.taskId)).toMatchObject({
      status: 'success',
      progress: 100,
      type: 'full',
      transferredSize: 1005,
    })
  })

  it('sees an edit that keeps the size, on either side', async () => {
    const { sync, a, b } = setup()
    a.seed('src/k', 'one')
    a.seed('src/l', 'one')
    await sync.run(places(a, b))
    a.seed('src/k', 'two')
    b.seed('dst/l', 'ugh')
    expect(await sync.run(places(a, b))).toMatchObject({ objects: { copied: 2, skipped: 0 } })
    expect(b.contents()).toEqual({ 'dst/k': 'two', 'dst/l': 'one' })
  })

  it('moves large objects in parts and leaves no upload and no note behind', async () => {
    const store = memoryStore()
    const { sync, a, b } = setup(store)
    a.seed('src/big', bytes(10_500), { contentType: 'video/mp4' })
    const result = await sync.run({ ...places(a, b), partSize: 1000 })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 1 }, bytes: { transferred: 10_500 } })
    expect(b.calls.get('uploadPart')).toBe(11)
    expect(Buffer.compare(b.objects.get('dst/big')!.bytes, bytes(10_500))).toBe(0)
    expect((await b.head('dst/big')).contentType).toBe('video/mp4')
    expect(b.uploads.size).toBe(0)
    expect((await store.list('pair/')).filter((key) => key.includes('/upload/'))).toEqual([])
    expect(await sync.run({ ...places(a, b), partSize: 1000 })).toMatchObject({ objects: { copied: 0, skipped: 1 } })
  })

  it('moves what would be two parts in one piece, wherever it comes from, and the next size in parts', async () => {
    const { sync, a, b } = setup()
    Object.assign(a.capabilities, { etagIsMd5: false })
    a.seed('src/two', bytes(2000))
    a.seed('src/three', bytes(2001))
    const result = await sync.run({ ...places(a, b), partSize: 1000 })
    expect(result).toMatchObject({ status: 'success', objects: { copied: 2 } })
    expect([b.calls.get('put'), b.calls.get('uploadPart'), a.calls.get('get')]).toEqual([1, 3, 4])
    expect(Buffer.compare(b.objects.get('dst/two')!.bytes, bytes(2000))).toBe(0)
    // Bytes that are held back go in parts: less of them is lost.
    b.objects.clear()
    await sync.run({ ...places(a, b), partSize: 1000, bandwidthLimit: 100_000_000 })
    expect([b.calls.get('put'), b.calls.get('uploadPart')]).toEqual([1, 8])
  })

  it('carries tags over, of small objects and of those in parts, and asks for none where there are none', async () => {
    const { sync, a, b } = setup()
    for (const side of [a, b]) Object.assign(side.capabilities, { tags: true })
    a.seed('src/small', 'x', { tags: { team: 'vision', empty: '' } })
    a.seed('src/big', bytes(10_500), { tags: { of: 'the big one' } })
    a.seed('src/plain', 'x')
    await sync.run({ ...places(a, b), partSize: 1000 })
    expect(await b.getTags('dst/small')).toEqual({ team: 'vision', empty: '' })
    expect(await b.getTags('dst/big')).toEqual({ of: 'the big one' })
    expect(a.calls.get('getTags')).toBe(2)
    // Where a read does not tell that there are none, they are asked for.
    Object.assign(a.capabilities, { tagCountByHead: true })
    a.seed('src/other', 'y')
    await sync.run(places(a, b))
    expect(a.calls.get('getTags')).toBe(3)
    // A store without tags gets the rest.
    const c = new FakeAdapter({ id: 'c' })
    expect(await sync.run(places(a, c))).toMatchObject({ status: 'success', objects: { copied: 4 } })
    expect(a.calls.get('getTags')).toBe(3)
  })

  it('fails an object whose tags it cannot read, and copies the others', async () => {
    const { sync, a, b } = setup()
    for (const side of [a, b]) Object.assign(side.capabilities, { tags: true })
    a.seed('src/tagged', 'x', { tags: { team: 'vision' } })
    a.seed('src/plain', 'x')
    a.options.before = ({ operation }) => {
      if (operation === 'getTags') throw new StowageError('access-denied', 'no right to read tags')
    }
    const result = await sync.run(places(a, b))
    expect(result).toMatchObject({ status: 'failed', objects: { copied: 1, failed: 1 } })
    expect(result.errors).toMatchObject([{ key: 'tagged', code: 'access-denied' }])
    expect(Object.keys(b.contents())).toEqual(['dst/plain'])
  })

  it('copies inside one store without the bytes passing', async () => {
    const { sync, a } = setup()
    a.seed('src/k', bytes(5000))
    expect(await sync.run({ from: at(a, 'src'), to: at(a, 'dst') })).toMatchObject({
      status: 'success',
      objects: { copied: 1 },
    })
    expect(a.bytesIn).toBe(0)
    expect(a.contents()['dst/k']).toBe(a.contents()['src/k'])
  })

  it('deletes only with delete, only what the source does not have, only in its folder', async () => {
    const { sync, a, b } = setup()
    for (const name of ['a', 'b', 'c']) a.seed(`src/${name}`, name)
    await sync.run(places(a, b))
    b.seed('dst/extra', 'x')
    b.seed('dstx/precious', 'x')
    expect(await sync.run(places(a, b))).toMatchObject({ objects: { deleted: 0 } })
    expect(await sync.run({ ...places(a, b), delete: true, dryRun: true })).toMatchObject({ objects: { deleted: 1 } })
    expect(b.objects.has('dst/extra')).toBe(true)
    expect(await sync.run({ ...places(a, b), delete: true })).toMatchObject({
      status: 'success',
      objects: { deleted: 1, skipped: 3 },
    })
    expect(Object.keys(b.contents())).toEqual(['dst/a', 'dst/b', 'dst/c', 'dstx/precious'])
  })

  it('refuses overlapping places, managed roots, an emptied source and too many deletes', async () => {
    const { sync, a, b } = setup()
    await expect(sync.run({ from: at(a, 'x'), to: at(a, 'x/y') })).rejects.toSatisfy(
      (e) => hasCode(e, 'unsafe') && isSafetyStop(e),
    )
    for (const name of ['a', 'b', 'c']) b.seed(`dst/${name}`, name)
    await expect(sync.run({ ...places(a, b), delete: true })).rejects.toMatchObject({ code: 'unsafe', field: 'from' })
    a.seed('src/a', 'a')
    await expect(sync.run({ ...places(a, b), delete: true })).rejects.toMatchObject({
      code: 'unsafe',
      field: 'maxDeletePercent',
    })
    expect(b.objects.size).toBe(3)
    b.seed('.stowage/root.json', '{}')
    await expect(sync.run(places(a, b))).rejects.toMatchObject({ code: 'unsafe', field: 'to' })
    b.objects.delete('.stowage/root.json')
    b.seed('dst/deep/er/.stowage/root.json', '{}')
    await expect(sync.run({ ...places(a, b), delete: true, maxDeletePercent: 100 })).rejects.toMatchObject({
      code: 'unsafe',
      field: 'to',
    })
    expect(b.objects.size).toBe(4)
  })
})
