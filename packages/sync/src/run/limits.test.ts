import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'

/** Stores that take a while for each write, and count what is under way. */
function setup(bytes: (key: string) => number) {
  const clock = new FakeClock()
  const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]
  const now = { puts: 0, bytes: 0 }
  const most = { puts: 0, bytes: 0 }
  const held = async (size: number, signal: AbortSignal | undefined): Promise<void> => {
    now.puts++
    now.bytes += size
    most.puts = Math.max(most.puts, now.puts)
    most.bytes = Math.max(most.bytes, now.bytes)
    await clock.sleep(50, signal)
    now.puts--
    now.bytes -= size
  }
  b.options.before = async ({ operation, key, signal }) => {
    if (operation === 'put' || operation === 'uploadPart') await held(bytes(key), signal)
  }
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1) })
  const run = (prefix: string, more: Partial<SyncOptions> = {}) =>
    sync.run({ from: at(a, prefix), to: at(b, prefix), ...more })
  /** Lets time pass until all have ended. */
  const ended = async <T>(runs: Promise<T>[]): Promise<T[]> => {
    let over = false
    const all = Promise.all(runs).finally(() => {
      over = true
    })
    all.catch(() => {})
    for (let i = 0; i < 10_000 && !over; i++) await clock.advance(25)
    return await all
  }
  return { clock, a, b, most, run, ended }
}

it('all syncs of a process share what may be under way with one store', async () => {
  const { a, most, run, ended } = setup(() => 10)
  for (const prefix of ['one/', 'two/', 'three/'])
    for (let i = 0; i < 100; i++) a.seed(`${prefix}k${i}`, patterned(10, i))
  const results = await ended(['one', 'two', 'three'].map((prefix) => run(prefix, { concurrency: 64 })))
  for (const result of results) expect(result).toMatchObject({ status: 'success', objects: { copied: 100 } })
  // One alone may have as many as fill the way: the three together have no more than that.
  const alone = setup(() => 10)
  for (let i = 0; i < 300; i++) alone.a.seed(`one/k${i}`, patterned(10, i))
  await alone.ended([alone.run('one', { concurrency: 192 })])
  expect(most.puts).toBeLessThanOrEqual(alone.most.puts)
  expect(most.puts).toBeGreaterThan(30)
})

it('no more bytes are under way than the memory budget, however large the objects and many the slots', async () => {
  const { a, b, most, run, ended } = setup(() => 1000)
  // Of a source that tells no checksum of the whole, so that parts lie in memory.
  Object.assign(a.capabilities, { etagIsMd5: false })
  for (let i = 0; i < 20; i++) a.seed(`one/large${i}`, patterned(10_000, i))
  for (let i = 0; i < 50; i++) a.seed(`one/small${i}`, patterned(1000, i))
  const memoryBudget = 5000
  const [result] = await ended([run('one', { partSize: 1000, memoryBudget, concurrency: 64 })])
  expect(result).toMatchObject({ status: 'success', objects: { copied: 70 } })
  expect(most.bytes).toBeLessThanOrEqual(memoryBudget)
  expect(most.bytes).toBeGreaterThan(memoryBudget / 2)
  expect(b.objects.size).toBe(70)
})

it('a limit of bandwidth holds for small objects and parts alike, and for all of a run together', async () => {
  const { clock, a, run, ended } = setup(() => 0)
  for (let i = 0; i < 3; i++) a.seed(`one/large${i}`, patterned(10_000, i))
  for (let i = 0; i < 20; i++) a.seed(`one/small${i}`, patterned(1000, i))
  const began = clock.now()
  const [result] = await ended([run('one', { partSize: 1000, bandwidthLimit: 5000 })])
  expect(result).toMatchObject({ status: 'success', objects: { copied: 23 } })
  // 50,000 bytes at 5,000 a second; what passes in the first second may come at once.
  expect(clock.now() - began).toBeGreaterThanOrEqual(8500)
  expect(clock.now() - began).toBeLessThanOrEqual(15_000)
})
