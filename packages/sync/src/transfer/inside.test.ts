import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'
import { partSizeFor } from './part-size.ts'

const GiB = 1024 ** 3
const MiB = 1024 ** 2

/** One store that copies objects up to a size by itself, and larger ones in parts of half a GiB at least. */
function setup() {
  const clock = new FakeClock()
  const limits = {
    minPartSize: 1,
    maxPartSize: 1000,
    maxParts: 10_000,
    partCopy: true,
    listUploads: 'exact-key',
  } as const
  const a = new FakeAdapter({
    id: 'a',
    capabilities: { serverSideCopy: { scope: 'source', maxSize: 2000 }, multipart: limits },
  })
  const sync = createSync({ store: memoryStore({ clock }), clock, random: { ...seededRandom(1), next: () => 0 } })
  const run = () => sync.run({ from: at(a, 'src'), to: at(a, 'dst') })
  return { a, run }
}

describe('a copy inside one store', () => {
  it('is one request up to what the store copies at once, and of parts beyond, with headers and no byte passing', async () => {
    const { a, run } = setup()
    const headers = { contentType: 'video/mp4', cacheControl: 'no-cache', metadata: { owner: 'ada' } }
    a.seed('src/small', patterned(2000, 1), headers)
    a.seed('src/large', patterned(2001, 2), headers)
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 2, failed: 0 } })
    expect([a.bytesIn, a.bytesOut]).toEqual([0, 0])
    expect([a.calls.get('copy'), a.calls.get('uploadPartCopy'), a.calls.get('get')]).toEqual([1, 3, undefined])
    for (const [key, size, seed] of [
      ['dst/small', 2000, 1],
      ['dst/large', 2001, 2],
    ] as const) {
      expect(Buffer.from(patterned(size, seed)).equals(Buffer.from(a.objects.get(key)?.bytes ?? []))).toBe(true)
      expect(await a.head(key)).toMatchObject({ ...headers, metadata: { owner: 'ada' } })
    }
    expect(a.uploads.size).toBe(0)
    expect(await run()).toMatchObject({ objects: { copied: 0, skipped: 2 } })
  })

  it.each([
    ['at once', 'copy', 1000],
    ['in parts', 'uploadPartCopy', 2500],
  ] as const)('%s, of an object that is replaced meanwhile: as it is then, never mixed', async (_, operation, size) => {
    const { a, run } = setup()
    a.seed('src/k', patterned(size, 1))
    let calls = 0
    a.options.before = (call) => {
      if (call.operation === operation && ++calls === (operation === 'copy' ? 1 : 2))
        a.seed('src/k', patterned(size, 2))
    }
    expect(await run()).toMatchObject({ status: 'success', objects: { copied: 1, failed: 0 } })
    expect(Buffer.from(patterned(size, 2)).equals(Buffer.from(a.objects.get('dst/k')?.bytes ?? []))).toBe(true)
    expect([a.uploads.size, a.bytesIn]).toEqual([0, 0])
  })
})

describe('the size of parts', () => {
  const limits = {
    minPartSize: 5 * MiB,
    maxPartSize: 5 * GiB,
    maxParts: 10_000,
    partCopy: true,
    listUploads: 'exact-key',
  } as const

  it('is what was asked for, within what the store takes', () => {
    expect(partSizeFor(100 * MiB, 8 * MiB, limits)).toBe(8 * MiB)
    expect(partSizeFor(100 * MiB, MiB, limits)).toBe(5 * MiB)
    expect(partSizeFor(100 * GiB, 6 * GiB, limits)).toBe(5 * GiB)
  })

  it('grows with the object, in whole blocks, so that no object has too many', () => {
    for (const size of [79 * GiB, 500 * GiB, 5 * 1024 * GiB, 40 * 1024 * GiB]) {
      const part = partSizeFor(size, 8 * MiB, limits)
      expect(Math.ceil(size / part)).toBeLessThanOrEqual(10_000)
      expect(part % (8 * MiB)).toBe(0)
      expect(part).toBeLessThanOrEqual(size / 10_000 + 8 * MiB)
    }
  })
})
