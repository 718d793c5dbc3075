import { at, type Capabilities, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

const partSize = 1000
const size = 8 * partSize + 7

function world(capabilities: Partial<Capabilities> = {}) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a', capabilities })
  const b = new FakeAdapter({ id: 'b', capabilities })
  a.seed('src/large', patterned(size))
  const random = { ...seededRandom(1), next: () => 0 }
  /** Runs as another process, and lets time go on until that has ended. */
  const run = async (pid: number, more: Partial<SyncOptions> = {}) => {
    const sync = createSync({ store, clock, random, owner: fakeOwner(pid) })
    let over = false
    const work = sync.run({ from: at(a, 'src'), to: at(b, 'dst'), partSize, ...more }).finally(() => {
      over = true
    })
    work.catch(() => {})
    for (let i = 0; i < 3000 && !over; i++) await clock.advance(100)
    expect(over, 'it has not ended in five minutes').toBe(true)
    return await work
  }
  const whole = (): void => {
    expect(Buffer.compare(b.objects.get('dst/large')?.bytes ?? Buffer.alloc(0), patterned(size))).toBe(0)
    expect(b.uploads.size).toBe(0)
  }
  const notes = async (): Promise<string[]> =>
    (await store.list('pair/', { limit: 100 })).filter((key) => key.includes('/upload/'))
  return { a, b, store, run, whole, notes }
}

const kinds: [string, Partial<Capabilities>][] = [
  ['etags that are MD5s, and metadata', {}],
  ['opaque etags, and metadata', { etagIsMd5: false }],
  ['opaque etags, and no metadata', { etagIsMd5: false, metadata: 'none' }],
]

describe.each(kinds)('a store of %s', (_, capabilities) => {
  it.each([
    ['once', 1],
    ['every time', Number.POSITIVE_INFINITY],
  ])('that completes an upload and says %s that it failed: it is sent once', async (_name, times) => {
    const { b, run, whole, notes } = world(capabilities)
    let lost = 0
    b.options.after = ({ operation }) => {
      if (operation === 'complete' && lost++ < times) throw new StowageError('unavailable', 'Internal error.')
    }
    expect(await run(1)).toMatchObject({ status: 'success', objects: { copied: 1, failed: 0 } })
    whole()
    expect(b.bytesIn).toBe(size)
    expect(await notes()).toEqual([])
    expect(await run(2)).toMatchObject({ objects: { copied: 0, skipped: 1 } })
  })

  it('is gone on with in the parts of the run before, whatever part size and concurrency are asked for now', async () => {
    const { a, b, run, whole, notes } = world(capabilities)
    a.seed('src/z', patterned(3 * partSize, 1))
    let parts = 0
    b.options.before = async ({ operation, key, signal }) => {
      if (operation !== 'uploadPart' || key !== 'dst/large' || ++parts <= 4) return
      stop.abort()
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    }
    const stop = new AbortController()
    expect(await run(1, { signal: stop.signal, concurrency: 1 })).toMatchObject({ status: 'paused' })
    b.options.before = () => {}
    const sent = b.bytesIn
    const other = await run(2, { partSize: 700, concurrency: 5 })
    expect(other).toMatchObject({ status: 'success' })
    expect(other.bytes.resumed).toBeGreaterThanOrEqual(4 * partSize)
    expect(b.bytesIn).toBeLessThanOrEqual(size + 3 * partSize + partSize)
    expect(sent).toBeGreaterThanOrEqual(4 * partSize)
    whole()
    expect(await notes()).toEqual([])
  })

  it('whose listing shows an object that is deleted already: nothing fails, and nothing is copied for it', async () => {
    const { a, b, run, whole } = world(capabilities)
    a.seed('src/ghost', 'gone')
    a.seed('src/ghost-large', patterned(5 * partSize))
    const { list } = a
    a.list = async function* (...given: Parameters<typeof list>) {
      for await (const page of list.call(a, ...given)) {
        a.objects.delete('src/ghost')
        a.objects.delete('src/ghost-large')
        yield page
      }
    }
    expect(await run(1)).toMatchObject({ status: 'success', objects: { copied: 1, failed: 0 }, errors: [] })
    whole()
    expect([...b.objects.keys()]).toEqual(['dst/large'])
  })

  it('whose listing goes on to show what was deleted from it: deletes of it again are no failure', async () => {
    const { a, b, run } = world(capabilities)
    b.seed('dst/old', 'x')
    const old = b.objects.get('dst/old')
    const { list } = b
    b.list = async function* (...given: Parameters<typeof list>) {
      const isGone = !b.objects.has('dst/old')
      if (isGone && old !== undefined) b.objects.set('dst/old', old)
      try {
        for await (const page of list.call(b, ...given)) yield page
      } finally {
        if (isGone) b.objects.delete('dst/old')
      }
    }
    const options = { delete: true, maxDeletePercent: 100 }
    expect(await run(1, options)).toMatchObject({ status: 'success', objects: { deleted: 1 } })
    expect(await run(2, options)).toMatchObject({ status: 'success', objects: { failed: 0 } })
    expect(b.objects.has('dst/old')).toBe(false)
    expect(a.objects.size).toBe(1)
  })

  it('that cannot abort an upload now keeps it written down, and the next run aborts it', async () => {
    const { a, b, run, notes } = world(capabilities)
    const stop = new AbortController()
    let parts = 0
    b.options.before = async ({ operation, signal }) => {
      if (operation !== 'uploadPart' || ++parts <= 2) return
      stop.abort()
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    }
    expect(await run(1, { signal: stop.signal, concurrency: 1 })).toMatchObject({ status: 'paused' })
    a.objects.delete('src/large')
    b.options.before = ({ operation }) => {
      if (operation === 'abort') throw new StowageError('access-denied', 'no')
    }
    const second = await run(2)
    expect(second).toMatchObject({ status: 'success', warnings: [expect.stringContaining('could not be aborted')] })
    expect([b.uploads.size, (await notes()).length > 0]).toEqual([1, true])
    b.options.before = () => {}
    expect(await run(3)).toMatchObject({ status: 'success', warnings: [] })
    expect([b.uploads.size, await notes()]).toEqual([0, []])
  })
})
