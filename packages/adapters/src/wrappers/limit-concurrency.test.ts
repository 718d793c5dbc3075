import { readAll, type StorageAdapter } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memory } from '../memory/index.ts'
import { limitConcurrency } from './index.ts'

/** Memory whose heads and puts wait until they are let go, in the order they came. */
function gated(): { adapter: StorageAdapter; waiting: string[]; go: () => void } {
  const adapter = memory({ id: 'm' })
  const waiting: string[] = []
  const gates: (() => void)[] = []
  const { head, put } = adapter
  const gate = (name: string): Promise<void> => {
    waiting.push(name)
    return new Promise((resolve) => gates.push(resolve))
  }
  adapter.head = async (key, options) => {
    await gate(key)
    return head.call(adapter, key, options)
  }
  adapter.put = async (key, body, options) => {
    await gate(`put ${key}`)
    return put.call(adapter, key, body, options)
  }
  return { adapter, waiting, go: () => gates.shift()?.() }
}

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('lets so many run, and the next in the order they came', async () => {
  const { adapter, waiting, go } = gated()
  const limited = limitConcurrency(adapter, { concurrency: 2 })
  const calls = ['a', 'b', 'c', 'd'].map((key) => limited.head(key).catch(() => key))
  await soon()
  expect(waiting).toEqual(['a', 'b'])
  go()
  await calls[0]
  await soon()
  expect(waiting).toEqual(['a', 'b', 'c'])
  for (let i = 0; i < 3; i++) {
    go()
    await soon()
  }
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c', 'd'])
})

it('ends the wait of who gives up, and lets the next go first', async () => {
  const { adapter, waiting, go } = gated()
  const limited = limitConcurrency(adapter, { concurrency: 1 })
  const first = limited.head('a').catch(() => 'a')
  const control = new AbortController()
  const second = expectCode(limited.head('b', { signal: control.signal }), 'aborted')
  const third = limited.head('c').catch(() => 'c')
  control.abort()
  await second
  go()
  await first
  await soon()
  expect(waiting).toEqual(['a', 'c'])
  go()
  await third
  await expectCode(limited.head('d', { signal: AbortSignal.abort() }), 'aborted')
})

it('neither writes, nor tags, nor probes wait for reads', async () => {
  const { adapter, waiting, go } = gated()
  const limited = limitConcurrency(adapter, { concurrency: 1 })
  const read = limited.head('a').catch(() => 'a')
  const write = limited.put('b', Buffer.from('x'))
  await soon()
  expect(waiting).toEqual(['a', 'put b'])
  expect((await limited.probe()).ok).toBe(true)
  await expectCode(limited.getTags('a'), 'not-found')
  go()
  go()
  await Promise.all([read, write])
})

it('counts a read until its body was read or destroyed', async () => {
  const clock = new FakeClock()
  const limited = limitConcurrency(memory({ id: 'm' }), { concurrency: 1, clock })
  await limited.put('a', Buffer.from('hello'))
  const first = await limited.get('a')
  let second: string | undefined
  const next = limited.get('a').then(async ({ body }) => {
    second = Buffer.from(await readAll(body, 10)).toString()
  })
  await soon()
  expect(second).toBeUndefined()
  first.body.destroy()
  await next
  expect(second).toBe('hello')
  // Nobody is left behind, neither those who wait nor the watch over them.
  expect(clock.sleeping).toBe(0)
  await limited.head('a')
})

it('lets one more begin when all are bodies that nobody reads', async () => {
  const clock = new FakeClock()
  const limited = limitConcurrency(memory({ id: 'm' }), { concurrency: 1, patienceMs: 1000, clock })
  await limited.put('a', Buffer.from('hello'))
  const first = await limited.get('a')
  const second = limited.get('a')
  await clock.advance(999)
  expect(await Promise.race([second, soon().then(() => 'waits')])).toBe('waits')
  await clock.advance(1001)
  const [one, two] = await Promise.all([readAll(first.body, 10), readAll((await second).body, 10)])
  expect(Buffer.compare(one, two)).toBe(0)
  expect(clock.sleeping).toBe(0)
})

it('refuses a limit that is none', () => {
  for (const concurrency of [0, -1, 1.5, Number.NaN]) {
    expect(() => limitConcurrency(memory({ id: 'm' }), { concurrency })).toThrow(/concurrency must be a whole number/)
  }
})
