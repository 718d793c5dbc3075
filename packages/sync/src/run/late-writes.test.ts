import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { LEASE_MS } from '../state/index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

const partSize = 1000

/** The calls of the last kind that a process has on their way, which reach the store when they are let go, whatever became of the process. */
function onTheWay(adapter: FakeAdapter, operation: 'put' | 'complete' | 'uploadPart') {
  const sent = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const arrived: Promise<unknown>[] = []
  adapter.options.before = async (call) => {
    if (call.operation !== operation) return
    sent.resolve()
    await opened.promise
  }
  const { put, multipart } = adapter
  // What is on the wire does not hear of a signal.
  const deaf = <T>(options: T): T => ({ ...options, signal: undefined })
  const note = <T>(work: Promise<T>): Promise<T> => {
    arrived.push(work.catch(() => undefined))
    return work
  }
  adapter.put = (key, body, options) => note(put.call(adapter, key, body, deaf(options)))
  Object.assign(adapter, {
    multipart: {
      ...multipart,
      uploadPart: (...[key, id, number, body, options]: Parameters<typeof multipart.uploadPart>) =>
        note(multipart.uploadPart(key, id, number, body, deaf(options))),
      complete: (...[key, id, parts, options]: Parameters<typeof multipart.complete>) =>
        note(multipart.complete(key, id, parts, deaf(options))),
    },
  })
  return {
    sent: sent.promise,
    async letGo(): Promise<void> {
      opened.resolve()
      await Promise.all(arrived)
    },
  }
}

describe('a write of a process that lost its lease, and arrives when another has done its work', () => {
  const cases = [
    ['a new object in one piece', 'put', 100, false],
    ['an object in one piece that was there', 'put', 100, true],
    ['a part', 'uploadPart', 3 * partSize, true],
    ['the completion of an upload', 'complete', 3 * partSize, true],
  ] as const
  const runs = [
    ['all keys', {}],
    ['keys by name', { keys: ['k', 'theirs'] }],
    ['all keys where others write too', { leaveChanged: true }],
    ['keys by name where others write too', { keys: ['k', 'theirs'], leaveChanged: true }],
  ] as const

  it.each(
    cases.flatMap(([name, ...one]) =>
      runs.map(([keys, what]) => [`${name}, in a sync of ${keys}`, ...one, what] as const),
    ),
  )('%s: changes nothing', async (_, operation, size, isThere, what) => {
    const clock = new FakeClock()
    const store = memoryStore({ clock })
    const a = new FakeAdapter({ id: 'a' })
    const b = new FakeAdapter({ id: 'b' })
    const slow = new FakeAdapter({ id: 'b', sameAs: b })
    const holds = (version: number): boolean =>
      Buffer.from(b.objects.get('dst/k')?.bytes ?? []).equals(Buffer.from(patterned(size, version)))
    const run = (pid: number, target: FakeAdapter, more: Partial<SyncOptions> = {}) =>
      createSync({ store, clock, random: seededRandom(pid), owner: fakeOwner(pid, () => true) }).run({
        from: at(a, 'src'),
        to: at(target, 'dst'),
        partSize,
        ...more,
      })
    if (isThere) a.seed('src/k', patterned(size, 1))
    a.seed('src/theirs', 'old')
    await run(1, b)
    const leaves = 'leaveChanged' in what
    if (leaves) b.seed('dst/theirs', 'new')
    const theirs = leaves ? 'new' : 'old'
    a.seed('src/k', patterned(size, 2))
    const { sent, letGo } = onTheWay(slow, operation)
    const first = run(2, slow, what)
    first.catch(() => undefined)
    await sent
    // It stands still as a whole, its heartbeat with it; and somebody writes to the source.
    clock.set(clock.now() + LEASE_MS + 1)
    a.seed('src/k', patterned(size, 3))
    const second = run(3, b, what)
    for (let i = 0; i < 1000 && !holds(3); i++) await clock.advance(0)
    expect(holds(3)).toBe(true)
    // What the first has on its way comes when the second has done its work.
    await letGo()
    await clock.advance(3 * LEASE_MS)
    await expect(first).rejects.toMatchObject({ code: 'lease-lost' })
    expect(await second).toMatchObject({ status: 'success' })
    expect(holds(3)).toBe(true)
    expect(b.contents()['dst/theirs']).toBe(theirs)
    expect(b.uploads.size).toBe(0)
    expect(await run(4, b, what)).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 2 } })
    expect(b.contents()['dst/theirs']).toBe(theirs)
    expect(clock.sleeping).toBe(0)
  })
})

it.each<[string, Partial<SyncOptions>]>([
  ['all keys', {}],
  ['keys by name', { keys: ['k'] }],
])('a takeover by a clock that was a day ahead holds up a sync of %s no longer than any other', async (_, what) => {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  const slow = new FakeAdapter({ id: 'b', sameAs: b })
  const run = (pid: number, target: FakeAdapter, more: Partial<SyncOptions> = what) =>
    createSync({ store, clock, random: seededRandom(pid), owner: fakeOwner(pid, () => true) }).run({
      from: at(a, 'src'),
      to: at(target, 'dst'),
      ...more,
    })
  const right = clock.now()
  clock.set(right + 86_400_000)
  a.seed('src/k', patterned(100, 1))
  const { sent, letGo } = onTheWay(slow, 'put')
  const first = run(1, slow)
  first.catch(() => undefined)
  await sent
  clock.set(clock.now() + LEASE_MS + 1)
  const stop = new AbortController()
  const second = run(2, b, { ...what, signal: stop.signal })
  for (let i = 0; i < 1000 && b.objects.size === 0; i++) await clock.advance(0)
  for (let i = 0; i < 100; i++) await clock.advance(0)
  stop.abort()
  expect(await second).toMatchObject({ status: 'paused' })
  await letGo()
  await first.catch(() => undefined)
  clock.set(right)
  const done = run(3, b)
  await clock.advance(3 * LEASE_MS)
  expect(await Promise.race([done, new Promise((resolve) => setImmediate(resolve, 'it waits'))])).toMatchObject({
    status: 'success',
  })
})
