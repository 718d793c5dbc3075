import { createHash } from 'node:crypto'
import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'

const partSize = 1000
const size = 5 * partSize + 10

const md5 = (data: Uint8Array): Buffer => createHash('md5').update(data).digest()

/** A source whose large objects were uploaded in parts, as their etags tell. */
function source(keys: readonly string[]): FakeAdapter {
  const a = new FakeAdapter({ id: 'a' })
  for (const [i, key] of keys.entries()) {
    const bytes = patterned(size, i)
    a.seed(`src/${key}`, bytes)
    const parts = Array.from({ length: 6 }, (_, n) => md5(bytes.subarray(n * partSize, (n + 1) * partSize)))
    Object.assign(a.objects.get(`src/${key}`)?.info ?? {}, { etag: `${md5(Buffer.concat(parts)).toString('hex')}-6` })
  }
  return a
}

/** A target that says of its etags that they are MD5s, and has others for parts, as where a key of the store's own encrypts. */
function target(spell: (etag: string) => string): FakeAdapter {
  const b = new FakeAdapter({ id: 'b' })
  const { multipart } = b
  const { uploadPart, listParts, complete } = multipart
  const plain = new Map<string, string>()
  const spelled = <T extends { etag: string }>(part: T): T => {
    plain.set(spell(part.etag), part.etag)
    return { ...part, etag: spell(part.etag) }
  }
  multipart.uploadPart = async (...call) => spelled(await uploadPart(...call))
  multipart.listParts = async (...call) => (await listParts(...call)).map(spelled)
  multipart.complete = (key, uploadId, parts, options) =>
    complete(
      key,
      uploadId,
      parts.map((part) => ({ ...part, etag: plain.get(part.etag) ?? part.etag })),
      options,
    )
  return b
}

async function run(a: FakeAdapter, b: FakeAdapter, more: Partial<SyncOptions> = {}) {
  const clock = new FakeClock()
  const sync = createSync({ store: memoryStore({ clock }), clock, random: { ...seededRandom(1), next: () => 0 } })
  return await sync.run({ from: at(a, 'src'), to: at(b, 'dst'), partSize, concurrency: 1, ...more })
}

/** Gives other bytes of a key at this place, another way each time: as often as told, each time one that is read. */
function flip(a: FakeAdapter, key: string, place: number, times: number): () => number {
  let reads = 0
  a.options.corrupt = (read, bytes, start) => {
    const at = place - start
    if (read !== key || at < 0 || at >= bytes.length || reads++ >= times) return bytes
    const bad = Buffer.from(bytes)
    bad[at] = (bad[at] ?? 0) ^ (1 + (reads % 200))
    return bad
  }
  return () => reads
}

const arrived = (b: FakeAdapter, key: string, seed: number): boolean =>
  Buffer.from(patterned(size, seed)).equals(Buffer.from(b.objects.get(`dst/${key}`)?.bytes ?? []))

describe.each<[string, (etag: string) => string]>([
  ['are no MD5', (etag) => `opaque/${etag.slice(0, 20)}`],
  ['look like MD5s and are none', (etag) => md5(Buffer.from(etag)).toString('hex')],
])('a target whose etags of parts %s', (_, spell) => {
  it('gets every object, and only those that were under way when that showed cost more than once', async () => {
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
    const [a, b] = [source(keys), target(spell)]
    expect(await run(a, b)).toMatchObject({ status: 'success', objects: { copied: 10, failed: 0 } })
    for (const [i, key] of keys.entries()) expect(arrived(b, key, i), key).toBe(true)
    // Four large objects are under way at a time.
    expect(b.bytesIn).toBeLessThanOrEqual((10 + 4) * size)
    expect(b.calls.get('complete')).toBe(10)
    expect(b.uploads.size).toBe(0)
    expect(await run(a, b)).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 10 } })
  })

  it('never has wrong bytes: a flip is noticed, and one that always comes fails the object', async () => {
    const [a, b] = [source(['one', 'two']), target(spell)]
    // The second object, when it is known what the etags are worth.
    const reads = flip(a, 'src/two', 2 * partSize + 17, 1)
    expect(await run(a, b)).toMatchObject({ status: 'success', objects: { copied: 2, failed: 0 } })
    expect(reads()).toBeGreaterThan(1)
    expect([arrived(b, 'one', 0), arrived(b, 'two', 1)]).toEqual([true, true])
    const c = target(spell)
    flip(a, 'src/two', 2 * partSize + 17, Number.POSITIVE_INFINITY)
    expect(await run(a, c)).toMatchObject({ status: 'failed', objects: { copied: 1, failed: 1 } })
    expect([[...c.objects.keys()], c.uploads.size]).toEqual([['dst/one'], 0])
  })

  it('goes on with an upload that was stopped, and sends no part of it twice', async () => {
    const [a, b] = [source(['one', 'two']), target(spell)]
    const clock = new FakeClock()
    const store = memoryStore({ clock })
    const sync = createSync({ store, clock, random: { ...seededRandom(1), next: () => 0 } })
    const options = { from: at(a, 'src'), to: at(b, 'dst'), partSize, concurrency: 1 }
    const stop = new AbortController()
    let parts = 0
    b.options.before = ({ operation, key }) => {
      if (key !== 'dst/two') return
      if (operation === 'create') parts = 0
      // By then it is known what the etags are worth.
      if (operation === 'uploadPart' && ++parts >= 4 && b.objects.has('dst/one')) stop.abort()
    }
    const stopped = sync.run({ ...options, signal: stop.signal })
    for (let i = 0; i < 10; i++) await clock.advance(1000)
    expect(await stopped).toMatchObject({ status: 'paused' })
    b.options.before = () => {}
    const sent = b.bytesIn
    expect(await sync.run(options)).toMatchObject({ status: 'success', objects: { failed: 0 } })
    expect(arrived(b, 'two', 1)).toBe(true)
    expect(b.bytesIn - sent).toBeLessThanOrEqual(3 * partSize)
    expect(b.uploads.size).toBe(0)
  })
})

describe('a target whose etags of parts are MD5s', () => {
  /** Stops when four parts of an object have arrived, which nobody wrote down; of the last, the answer was not waited for. */
  async function stopped() {
    const [a, b] = [source(['one']), new FakeAdapter({ id: 'b' })]
    const clock = new FakeClock()
    const sync = createSync({ store: memoryStore({ clock }), clock, random: { ...seededRandom(1), next: () => 0 } })
    const options = { from: at(a, 'src'), to: at(b, 'dst'), partSize, concurrency: 1 }
    const stop = new AbortController()
    let parts = 0
    b.options.before = ({ operation }) => {
      if (operation === 'uploadPart' && ++parts === 4) stop.abort()
    }
    const first = sync.run({ ...options, signal: stop.signal })
    for (let i = 0; i < 10; i++) await clock.advance(1000)
    expect(await first).toMatchObject({ status: 'paused' })
    b.options.before = () => {}
    return { a, b, again: () => sync.run(options) }
  }

  it('tells what it has of an upload that was stopped, and gets no part twice', async () => {
    const { b, again } = await stopped()
    const sent = b.bytesIn
    expect(await again()).toMatchObject({ status: 'success', bytes: { resumed: 4 * partSize } })
    expect(arrived(b, 'one', 0)).toBe(true)
    expect(b.bytesIn - sent).toBe(size - 4 * partSize)
    expect(b.calls.get('create')).toBe(1)
  })

  it('may have a part of other bytes by then, which is found out', async () => {
    const { b, again } = await stopped()
    const [upload] = await b.multipart.list('dst/one')
    await b.multipart.uploadPart('dst/one', upload?.uploadId ?? '', 2, patterned(partSize, 99), { size: partSize })
    expect(await again()).toMatchObject({ status: 'success', objects: { copied: 1, failed: 0 } })
    expect(arrived(b, 'one', 0)).toBe(true)
    expect(b.calls.get('create')).toBe(2)
    expect(b.uploads.size).toBe(0)
  })
})
