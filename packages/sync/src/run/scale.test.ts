import { Readable } from 'node:stream'
import { at, type GetResult, type ListedObject, type ListPage, StowageError } from '@stowage/core'
import { FakeClock, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

/** A store of very many small objects that are made up as they are listed and read. */
class EndlessAdapter extends FakeAdapter {
  readonly count: number
  pages = 0

  constructor(id: string, count: number) {
    super({ id, capabilities: { etagIsMd5: false } })
    this.count = count
  }

  override async *list(options: { prefix?: string; startAfter?: string } = {}): AsyncGenerator<ListPage> {
    const prefix = options.prefix ?? ''
    const first = options.startAfter === undefined ? 0 : Number(options.startAfter.slice(prefix.length + 1)) + 1
    for (let from = first; from < this.count; from += 1000) {
      const objects = Array.from({ length: Math.min(1000, this.count - from) }, (_, i): ListedObject => {
        return { key: `${prefix}k${String(from + i).padStart(9, '0')}`, size: 4, etag: `e${from + i}`, lastModified: 0 }
      })
      this.pages++
      yield { objects, prefixes: [] }
    }
  }

  override async get(key: string): Promise<GetResult> {
    const number = Number(key.slice(-9))
    const info = { key, size: 4, etag: `e${number}`, lastModified: 0, metadata: {} }
    return { info, range: { start: 0, length: 4 }, body: Readable.from([Buffer.from('data')]) }
  }
}

it('walks over very many keys in bounded memory: behind one slow object it waits, and does not read on', async () => {
  const count = repeats(20_000, 300_000)
  const a = new EndlessAdapter('a', count)
  const b = new FakeAdapter({ id: 'b' })
  const sync = createSync({ store: memoryStore(), clock: new FakeClock(), random: seededRandom(1) })
  let written = 0
  let letGo = (): void => {}
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  b.put = async (key) => {
    if (key.endsWith('k000000000')) await held
    written++
    return { etag: key }
  }
  const running = sync.run({ from: at(a, 'src'), to: at(b, 'dst') })
  for (let before = -1; before !== written; ) {
    before = written
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(written).toBeGreaterThan(1000)
  expect(written).toBeLessThan(2100)
  expect(a.pages).toBeLessThanOrEqual(5)
  letGo()
  expect(await running).toMatchObject({ status: 'success', objects: { copied: count } })
  expect(written).toBe(count)
})

interface Kill {
  calls: number
  effect: boolean
}

const partSize = 1000

describe('killed again and again, while time passes and checkpoints are made', () => {
  it('it comes to the same end, with no byte sent again but those in flight', async () => {
    const kill = fc.record({ calls: fc.integer({ min: 1, max: 160 }), effect: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(kill, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('native' as const, 'none' as const),
        fc.constantFrom(1, 3, 16),
        async (kills, metadata, concurrency) => {
          await killedRuns(kills, metadata, concurrency)
        },
      ),
      { numRuns: repeats(25, 400) },
    )
  })
})

async function killedRuns(kills: Kill[], metadata: 'native' | 'none', concurrency: number): Promise<void> {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a', pageSize: 7 })
  const b = new FakeAdapter({ id: 'b', pageSize: 5, capabilities: { metadata, etagIsMd5: metadata === 'native' } })
  for (let i = 0; i < 60; i++) a.seed(`src/k${String(i).padStart(2, '0')}`, patterned(50 + i, i))
  for (let i = 0; i < 4; i++) a.seed(`src/k${i * 15}-big`, patterned((i + 2) * partSize + 7, i))
  b.seed('dst/extra', 'x')
  const total = Object.values(a.contents()).reduce((sum, text) => sum + text.length, 0)
  const options: SyncOptions = {
    from: at(a, 'src'),
    to: at(b, 'dst'),
    partSize,
    delete: true,
    maxDeletePercent: 100,
    concurrency,
  }
  let allowed = 0
  for (const [pid, { calls, effect }] of [...kills, { calls: Number.POSITIVE_INFINITY, effect: true }].entries()) {
    let left = calls
    let dead = false
    const gone = new StowageError('internal', 'killed')
    const before = async (): Promise<void> => {
      if (dead) throw gone
      // Time passes, so that ticks and checkpoints happen in the middle.
      if (left % 3 === 0) void clock.advance(400)
      if (--left > 0) return
      dead = true
      if (!effect) throw gone
    }
    const after = (): void => {
      if (dead) throw gone
    }
    Object.assign(a.options, { before, after })
    Object.assign(b.options, { before, after })
    const guarded = new Proxy(store, {
      get:
        (target, name) =>
        async (...args: unknown[]) => {
          await before()
          const result = await Reflect.apply(Reflect.get(target, name), target, args)
          after()
          return result
        },
    })
    const sync = createSync({ store: guarded, clock, random: seededRandom(pid), owner: fakeOwner(pid) })
    const running = sync.run(options)
    if (Number.isFinite(calls)) {
      await running.catch((error: unknown) =>
        expect(error).toMatchObject({ code: expect.stringMatching(/internal|lease-lost/) }),
      )
      // In flight: parts, and small objects that the ledger had not heard of; a target that keeps no metadata cannot tell of those.
      allowed += concurrency * partSize + (metadata === 'native' ? concurrency * 110 : 60 * 110)
      await clock.advance(0)
      continue
    }
    const result = await running
    expect(result.status).toBe('success')
  }
  const copies = Object.fromEntries(
    Object.entries(b.contents()).map(([key, text]) => [key.replace('dst/', 'src/'), text]),
  )
  expect(copies).toEqual(a.contents())
  expect(b.uploads.size).toBe(0)
  expect((await store.list('pair/')).filter((key) => key.includes('/upload/'))).toEqual([])
  expect((await store.list('pair/')).filter((key) => key.includes('/ledger/'))).toHaveLength(1)
  expect(b.bytesIn - total).toBeLessThanOrEqual(allowed)
}
