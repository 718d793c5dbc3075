import { at, type Clock } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner } from '../testing/index.ts'
import { LEASE_MS } from './index.ts'

const day = 24 * 60 * 60_000

/** Machines whose clocks differ by an offset, which may change; waits take as long as they take. */
function machines() {
  const time = new FakeClock()
  const machine = (): Clock & { offset: number } => {
    const clock = {
      offset: 0,
      now: () => time.now() + clock.offset,
      sleep: (ms: number, signal?: AbortSignal) => time.sleep(ms, signal),
    }
    return clock
  }
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  a.seed('src/big', 'x')
  const [first, second] = [machine(), machine()]
  const inner = memoryStore({ clock: time })
  let reachable = true
  const sync = (clock: Clock, pid: number) => {
    const store = new Proxy(inner, {
      get: (_, name: 'put') =>
        pid === 1 && !reachable && name === 'put' ? () => new Promise(() => {}) : inner[name].bind(inner),
    })
    return createSync({ store, clock, random: seededRandom(pid), owner: fakeOwner(pid, () => true) })
  }
  const cut = (): void => {
    reachable = false
  }
  const run = (which: 1 | 2) =>
    sync(which === 1 ? first : second, which)
      .run({ from: at(a, 'src'), to: at(b, 'dst') })
      .then(
        ({ status }) => status,
        (error) => error.code as string,
      )
  return { time, b, first, second, run, cut }
}

it.each([-day, -60_000, 0])('a clock set by %i ms does not keep a lease from being renewed', async (offset) => {
  const { time, b, first, run } = machines()
  b.options.before = async ({ operation, signal }) => {
    if (operation === 'put') await time.sleep(20 * LEASE_MS, signal)
  }
  const running = run(1)
  await time.advance(1000)
  first.offset = offset
  await time.advance(10 * LEASE_MS)
  expect(await run(2)).toBe('lease-held')
  await time.advance(11 * LEASE_MS)
  expect(await running).toBe('success')
})

it.each([-day, 0])('nor from being lost when the store is out of reach, set by %i ms', async (offset) => {
  const { time, b, first, run, cut } = machines()
  let signal: AbortSignal | undefined
  b.options.before = async (call) => {
    if (call.operation !== 'put' || signal !== undefined) return
    signal = call.signal
    await time.sleep(20 * LEASE_MS, signal)
  }
  const running = run(1)
  await time.advance(1000)
  first.offset = offset
  cut()
  await time.advance(LEASE_MS + 1000)
  expect(signal?.aborted).toBe(true)
  const second = run(2)
  await time.advance(LEASE_MS)
  expect(await second).toBe('success')
  expect(b.contents()).toEqual({ 'dst/big': 'x' })
  await time.advance(30 * LEASE_MS)
  expect(await Promise.race([running, 'open'])).toBe('open')
})
