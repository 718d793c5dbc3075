import { at, hasCode } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { LEASE_MS } from '../state/index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

const partSize = 1000

function setup() {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  const as = (pid: number, alive: (pid: number) => boolean = () => false) =>
    createSync({ store, clock, random: seededRandom(pid), owner: fakeOwner(pid, alive) })
  const options = (more: Partial<SyncOptions> = {}): SyncOptions => ({
    from: at(a, 'src'),
    to: at(b, 'dst'),
    partSize,
    concurrency: 2,
    ...more,
  })
  return { clock, store, a, b, as, options }
}

/** Holds calls of one operation up until they are let go, or their signal fires. */
function gate(adapter: FakeAdapter, operation: string, from = 1) {
  let count = 0
  let open = (): void => {}
  let arrived = (): void => {}
  const reached = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  adapter.options.before = async (call) => {
    if (call.operation !== operation || ++count < from) return
    arrived()
    await Promise.race([opened, new Promise((resolve) => call.signal?.addEventListener('abort', resolve))])
  }
  return { reached, open }
}

describe('leases', () => {
  it('a live run is left alone, with exit code 3 in mind', async () => {
    const { a, b, as, options } = setup()
    a.seed('src/k', 'x')
    const { reached, open } = gate(b, 'put')
    const first = as(1).run(options())
    await reached
    await expect(as(2, () => true).run(options())).rejects.toMatchObject({ code: 'lease-held' })
    open()
    expect(await first).toMatchObject({ status: 'success' })
    expect(await as(2).run(options())).toMatchObject({ status: 'success', objects: { skipped: 1 } })
  })

  it('a dead process of this machine is taken over at once, and cannot commit any more', async () => {
    const { a, b, as, options } = setup()
    a.seed('src/big', patterned(5 * partSize))
    a.seed('src/k', 'x')
    const { reached, open } = gate(b, 'uploadPart', 3)
    const first = as(1).run(options())
    first.catch(() => {})
    await reached
    b.options.before = () => {}
    expect(await as(2).run(options())).toMatchObject({ status: 'success' })
    open()
    await expect(first).rejects.toSatisfy((error) => hasCode(error, 'lease-lost'))
    expect(Buffer.compare(b.objects.get('dst/big')!.bytes, patterned(5 * partSize))).toBe(0)
    expect(b.uploads.size).toBe(0)
    expect(await as(3).run(options())).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 2 } })
  })

  it('a lease that is not renewed runs out; another machine takes over then, and its deletes wait for late requests', async () => {
    const { clock, a, b, as, options } = setup()
    a.seed('src/k', 'x')
    b.seed('dst/extra', 'x')
    b.seed('dst/k', 'y')
    const { reached, open } = gate(b, 'put')
    const first = as(1).run(options())
    first.catch(() => {})
    await reached
    b.options.before = () => {}
    const other = as(2, () => true)
    await expect(other.run(options({ delete: true }))).rejects.toMatchObject({ code: 'lease-held' })
    // The first is held up as a whole: its heartbeat does not run either.
    clock.set(clock.now() + LEASE_MS + 1)
    const second = other.run(options({ delete: true }))
    await clock.advance(0)
    expect(b.objects.has('dst/extra')).toBe(true)
    await clock.advance(LEASE_MS)
    expect(await second).toMatchObject({ status: 'success', objects: { deleted: 1 } })
    open()
    await expect(first).rejects.toMatchObject({ code: 'lease-lost' })
    expect(clock.sleeping).toBe(0)
  })

  it('a heartbeat keeps a long transfer in its place', async () => {
    const { clock, a, b, as, options } = setup()
    a.seed('src/k', 'x')
    const { reached, open } = gate(b, 'put')
    const first = as(1).run(options())
    await reached
    await clock.advance(10 * LEASE_MS)
    await expect(as(2, () => true).run(options())).rejects.toMatchObject({ code: 'lease-held' })
    open()
    expect(await first).toMatchObject({ status: 'success' })
    expect(clock.sleeping).toBe(0)
  })
})

describe('stopping', () => {
  it('a signal ends the run at once; the same call goes on with the same task and sends only what was in flight', async () => {
    const { clock, a, b, as, options } = setup()
    a.seed('src/big', patterned(10 * partSize))
    for (let i = 0; i < 5; i++) a.seed(`src/a-${i}`, patterned(100, i))
    const stop = new AbortController()
    const { reached } = gate(b, 'uploadPart', 7)
    const first = as(1).run(options({ signal: stop.signal }))
    await reached
    await clock.advance(0)
    stop.abort()
    await clock.advance(1000)
    const paused = await first
    expect(paused).toMatchObject({ status: 'paused', continuation: { taskId: paused.taskId } })
    b.options.before = () => {}
    const sent = b.bytesIn
    const second = await as(1).run(options())
    expect(second).toMatchObject({ status: 'success', taskId: paused.taskId })
    expect(second.bytes.resumed).toBe(sent - 500)
    expect(b.bytesIn).toBe(10 * partSize + 500)
    expect(await as(1).tasks.get(paused.taskId)).toMatchObject({
      status: 'success',
      transferredSize: 10 * partSize + 500,
    })
  })

  it('a signal lets what is under way come to its end, if that takes no second', async () => {
    const { clock, a, b, as, options } = setup()
    a.seed('src/big', patterned(10 * partSize))
    const stop = new AbortController()
    const { reached, open } = gate(b, 'uploadPart', 3)
    const first = as(1).run(options({ signal: stop.signal }))
    await reached
    await clock.advance(0)
    stop.abort()
    await clock.advance(500)
    open()
    const paused = await first
    expect(paused).toMatchObject({ status: 'paused', bytes: { transferred: 4 * partSize } })
    b.options.before = () => {}
    expect(await as(1).run(options())).toMatchObject({ status: 'success', bytes: { resumed: 4 * partSize } })
    expect(b.bytesIn).toBe(10 * partSize)
    expect(clock.sleeping).toBe(0)
  })

  it('a signal that has fired already changes nothing anywhere', async () => {
    const { a, b, as, options, store } = setup()
    a.seed('src/k', 'x')
    await expect(as(1).run(options({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'aborted' })
    expect(await store.list('')).toEqual([])
    expect(b.calls.size).toBe(0)
  })

  it('a cancelled task throws its unfinished uploads away', async () => {
    const { clock, a, b, as, options, store } = setup()
    a.seed('src/big', patterned(10 * partSize))
    const { reached } = gate(b, 'uploadPart', 4)
    const sync = as(1)
    const first = sync.run(options({ taskId: 'task-1' }))
    await reached
    await sync.tasks.cancel('task-1')
    await clock.advance(1000)
    // Parts that were under way may arrive yet.
    expect(b.uploads.size).toBe(1)
    await clock.advance(1000)
    expect(await first).toMatchObject({ status: 'cancelled', taskId: 'task-1' })
    expect(b.uploads.size).toBe(0)
    expect(await sync.tasks.get('task-1')).toMatchObject({ status: 'cancelled' })
    expect((await store.list('')).filter((key) => key.startsWith('cancel/') || key.includes('/upload/'))).toEqual([])
    b.options.before = () => {}
    expect(await sync.run(options())).toMatchObject({ status: 'success' })
    await expect(sync.tasks.cancel('task-none')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('a time limit on the slowest link: every run gets on by a part or an object, and it comes to an end', async () => {
    const { clock, a, b, as, options } = setup()
    a.seed('src/big', patterned(6 * partSize))
    for (let i = 0; i < 4; i++) a.seed(`src/z-${i}`, patterned(100, i))
    // Each write takes five seconds; the limit is one.
    b.options.before = async ({ operation, signal }) => {
      if (operation === 'uploadPart' || operation === 'put') await clock.sleep(5000, signal)
    }
    let runs = 0
    for (;;) {
      const sent = b.bytesIn
      const run = as(1).run(options({ timeLimitMs: 1000 }))
      await clock.advance(60_000)
      const result = await run
      runs++
      if (result.status === 'success') break
      expect(b.bytesIn - sent, `run ${runs}`).toBeGreaterThan(0)
      expect(result.status).toBe('paused')
      expect(result.seconds).toBeLessThan(6)
      expect(runs).toBeLessThan(12)
    }
    expect(b.bytesIn).toBe(6 * partSize + 400)
    expect(runs).toBeGreaterThan(5)
  })

  it('what changed before the place where it went on is seen, too', async () => {
    const { clock, a, b, as, options } = setup()
    for (let i = 0; i < 9; i++) a.seed(`src/k${i}`, `old ${i}`)
    const stop = new AbortController()
    const { reached } = gate(b, 'put', 7)
    const first = as(1).run(options({ signal: stop.signal }))
    await reached
    stop.abort()
    await clock.advance(1000)
    expect(await first).toMatchObject({ status: 'paused' })
    b.options.before = () => {}
    a.seed('src/k0', 'new 0')
    a.seed('src/k00', 'one more')
    expect(await as(1).run(options())).toMatchObject({ status: 'success' })
    expect(b.contents()).toMatchObject({ 'dst/k0': 'new 0', 'dst/k00': 'one more', 'dst/k8': 'old 8' })
    expect(b.objects.size).toBe(10)
  })
})
