import { type ErrorCode, readAll, type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memory } from '../memory/index.ts'
import { circuitBreaker } from './index.ts'

/** Memory whose heads fail as they are told. */
function ill(): { adapter: StorageAdapter; fail: (code: ErrorCode | undefined) => void; asked: () => number } {
  const adapter = memory({ id: 'm' })
  let code: ErrorCode | undefined
  let asked = 0
  const { head } = adapter
  adapter.head = async (key, options) => {
    asked++
    if (code !== undefined) throw new StowageError(code, 'as told')
    return head.call(adapter, key, options)
  }
  return {
    adapter,
    fail: (next) => {
      code = next
    },
    asked: () => asked,
  }
}

async function times(n: number, call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < n; i++) await call().catch(() => {})
}

it('opens after failures in a row, and says when it tries again', async () => {
  const clock = new FakeClock()
  const { adapter, fail, asked } = ill()
  const changes: string[] = []
  const careful = circuitBreaker(adapter, {
    clock,
    onChange: ({ kind, state }) => changes.push(`${kind} ${state}`),
  })
  await careful.put('a', Buffer.from('x'))
  fail('unavailable')
  await times(4, () => careful.head('a'))
  fail(undefined)
  await careful.head('a')
  fail('timeout')
  await times(5, () => careful.head('a'))
  expect(asked()).toBe(10)
  await clock.advance(4000)
  const refused = await expectCode(careful.head('a'), 'unavailable')
  expect(refused).toMatchObject({ retryable: true, retryAfterMs: 6000, sourceId: 'm' })
  expect(refused.message).toContain('in 6 s')
  expect(asked()).toBe(10)
  // Other kinds of calls go on.
  await careful.put('b', Buffer.from('x'))
  expect(changes).toEqual(['read open'])
})

it('lets one call try, which closes it or opens it for longer', async () => {
  const clock = new FakeClock()
  const { adapter, fail, asked } = ill()
  const careful = circuitBreaker(adapter, { failures: 2, openMs: 1000, clock })
  await careful.put('a', Buffer.from('x'))
  fail('unavailable')
  await times(2, () => careful.head('a'))
  await clock.advance(1000)
  await times(3, () => careful.head('a'))
  expect(asked()).toBe(3)
  await clock.advance(1999)
  expect((await expectCode(careful.head('a'), 'unavailable')).retryAfterMs).toBe(1)
  await clock.advance(1)
  fail(undefined)
  await Promise.all([careful.head('a'), expectCode(careful.head('a'), 'unavailable')])
  await careful.head('a')
  // Well again, the next opening is short again.
  fail('unavailable')
  await times(2, () => careful.head('a'))
  expect((await expectCode(careful.head('a'), 'unavailable')).retryAfterMs).toBe(1000)
})

it('counts neither answers nor what its caller gave up', async () => {
  const { adapter, fail, asked } = ill()
  const careful = circuitBreaker(adapter, { failures: 2, clock: new FakeClock() })
  for (const code of ['not-found', 'precondition-failed', 'access-denied', 'throttled', 'aborted'] as const) {
    fail(code)
    await times(5, () => careful.head('a'))
  }
  expect(asked()).toBe(25)
})

it('counts a body that was cut short', async () => {
  const adapter = memory({ id: 'm' })
  const careful = circuitBreaker(adapter, { failures: 2, clock: new FakeClock() })
  await careful.put('a', Buffer.alloc(100_000))
  const { get } = adapter
  expect((await readAll((await careful.get('a')).body, 100_000)).length).toBe(100_000)
  adapter.get = async (key, options) => {
    const result = await get.call(adapter, key, options)
    const cause = new StowageError('unavailable', 'the connection failed')
    setImmediate(() => result.body.destroy(new StowageError('integrity', 'cut short', { cause })))
    return result
  }
  for (let i = 0; i < 2; i++) {
    const { body } = await careful.get('a')
    await expectCode(new Promise((_resolve, reject) => body.once('error', reject)), 'integrity')
    await new Promise((resolve) => setImmediate(resolve))
  }
  adapter.get = get
  await expectCode(careful.get('a'), 'unavailable')
})

it('is closed by a probe that passes', async () => {
  const { adapter, fail } = ill()
  const careful = circuitBreaker(adapter, { failures: 1, clock: new FakeClock() })
  await careful.put('a', Buffer.from('x'))
  fail('unavailable')
  await times(1, () => careful.head('a'))
  fail(undefined)
  await expectCode(careful.head('a'), 'unavailable')
  expect((await careful.probe()).ok).toBe(true)
  await careful.head('a')
})
