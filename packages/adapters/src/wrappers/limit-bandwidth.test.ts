import { readAll, readExactly } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memory } from '../memory/index.ts'
import { limitBandwidth } from './index.ts'

const kibibyte = 1024

/** Moves time on by the second until a promise settles, and says how many seconds that took. */
async function secondsOf(clock: FakeClock, promise: Promise<unknown>): Promise<number> {
  let over = false
  promise.then(
    () => {
      over = true
    },
    () => {
      over = true
    },
  )
  for (let seconds = 0; ; seconds++) {
    await clock.advance(0)
    await clock.advance(0)
    if (over) return seconds
    expect(seconds).toBeLessThan(1000)
    await clock.advance(1000)
  }
}

it('reads no faster than the rate, all readers together', async () => {
  const clock = new FakeClock()
  const slow = limitBandwidth(memory({ id: 'm' }), { down: 64 * kibibyte, clock })
  await slow.put('a', Buffer.alloc(640 * kibibyte, 1))
  const { body } = await slow.get('a')
  // The first of the ten chunks has nothing to wait for.
  expect(await secondsOf(clock, readExactly(body, 640 * kibibyte))).toBe(9)
  await clock.advance(1000)
  const two = await Promise.all([slow.get('a'), slow.get('a')])
  const seconds = await secondsOf(clock, Promise.all(two.map(({ body: one }) => readExactly(one, 640 * kibibyte))))
  expect(seconds).toBe(19)
})

it('saves nothing up while nobody reads', async () => {
  const clock = new FakeClock()
  const slow = limitBandwidth(memory({ id: 'm' }), { down: 64 * kibibyte, clock })
  await slow.put('a', Buffer.alloc(256 * kibibyte))
  await clock.advance(3_600_000)
  expect(await secondsOf(clock, readExactly((await slow.get('a')).body, 256 * kibibyte))).toBe(3)
})

it('writes no faster than the rate, bytes and streams', async () => {
  const clock = new FakeClock()
  const adapter = memory({ id: 'm' })
  const slow = limitBandwidth(adapter, { up: 1000, clock })
  await slow.put('a', Buffer.alloc(3000))
  expect(await secondsOf(clock, slow.put('b', Buffer.alloc(1000)))).toBe(3)
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 4; i++) yield Buffer.alloc(500, i)
  }
  expect(await secondsOf(clock, slow.put('c', chunks(), { size: 2000 }))).toBe(3)
  expect(Buffer.from(await readAll((await adapter.get('c')).body, 2000))).toEqual(
    Buffer.concat([0, 1, 2, 3].map((i) => Buffer.alloc(500, i))),
  )
})

it('sends large bytes by the slice, whole', async () => {
  const clock = new FakeClock()
  const adapter = memory({ id: 'm' })
  const slow = limitBandwidth(adapter, { up: 1024 * kibibyte, clock })
  const bytes = Buffer.alloc(9 * 1024 * kibibyte, 7)
  expect(await secondsOf(clock, slow.put('a', bytes))).toBe(9)
  expect(Buffer.compare(await readExactly((await adapter.get('a')).body, bytes.length), bytes)).toBe(0)
})

it('ends the wait of who gives up', async () => {
  const clock = new FakeClock()
  const slow = limitBandwidth(memory({ id: 'm' }), { up: 10, down: 10, clock })
  await slow.put('a', Buffer.alloc(200 * kibibyte))
  const control = new AbortController()
  const put = expectCode(slow.put('b', Buffer.alloc(10), { signal: control.signal }), 'aborted')
  await clock.advance(0)
  control.abort()
  await put
  const { body } = await slow.get('a')
  body.resume()
  await clock.advance(0)
  expect(clock.sleeping).toBe(1)
  body.destroy()
  await clock.advance(0)
  expect(clock.sleeping).toBe(0)
})

it('refuses a rate that is none', () => {
  expect(() => limitBandwidth(memory({ id: 'm' }), { down: 0 })).toThrow(/down must be/)
  expect(() => limitBandwidth(memory({ id: 'm' }), { up: Number.NaN })).toThrow(/up must be/)
})
