import { Readable } from 'node:stream'
import { memory } from '@stowage/adapters/memory'
import { watchCalls } from '@stowage/adapters/wrappers'
import { readAll, type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { type HealthOutcome, reduceHealth } from '@stowage/router'
import { expect, it } from 'vitest'
import { Blame } from './blame.ts'
import { Tally } from './tally.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function tallied(id = 'm', blame = new Blame()) {
  const clock = new FakeClock()
  const told: (HealthOutcome & { at: number })[] = []
  const tally = new Tally(id, clock, blame)
  tally.judge = (outcome, at) => {
    told.push({ ...outcome, at })
    tally.state = reduceHealth(tally.state, outcome, at)
  }
  const inner = memory({ id })
  const adapter = watchCalls(inner, tally, () => clock.now())
  return { tally, clock, inner, adapter, told: () => told.splice(0) }
}

const failure = (id = 'm'): StowageError => new StowageError('unavailable', 'No answer.', { sourceId: id })

function fail(adapter: StorageAdapter, error: () => Error): void {
  adapter.head = async () => {
    throw error()
  }
}

it('counts good calls and tells them together, with the time of the last one', async () => {
  const { tally, clock, adapter, told } = tallied()
  for (let i = 0; i < 100; i++) await adapter.put(`k${i}`, Buffer.from('x'))
  const last = clock.now()
  await clock.advance(60_000)
  expect(told()).toEqual([])
  tally.settle()
  tally.settle()
  expect(told()).toEqual([{ ok: true, times: 100, at: last }])
})

it('tells a failure at once, after the good calls before it, and the good call that ends a row of them', async () => {
  const { adapter, inner, told } = tallied()
  await adapter.put('k', Buffer.from('x'))
  const head = inner.head
  fail(inner, failure)
  for (let i = 0; i < 2; i++) await expectCode(adapter.head('k'), 'unavailable')
  inner.head = head
  await adapter.head('k')
  await adapter.head('k')
  expect(told().map(({ ok, code, times }) => code ?? `${ok} ${times}`)).toEqual([
    'true 1',
    'unavailable',
    'unavailable',
    'true 1',
  ])
})

it('takes what a caller stopped, what was not asked and what another source did for nothing of its own', async () => {
  const blame = new Blame()
  const [a, b] = [tallied('a', blame), tallied('b', blame)]
  const stopped = new AbortController()
  stopped.abort()
  await expectCode(a.adapter.head('k', { signal: stopped.signal }), 'aborted')
  await a.adapter.presign({ method: 'get', key: 'k', expiresIn: 60 }).catch(() => undefined)
  a.tally.settle()
  expect(a.told()).toEqual([])
  // A copy from `a` to `b` whose source breaks: the write ends with the error of the read.
  const broken = Readable.from(
    (async function* () {
      yield Buffer.alloc(10)
      throw failure('a')
    })(),
  )
  const caught = await b.adapter.put('k', broken, { size: 100 }).catch((error: unknown) => error)
  expect(caught).toBeInstanceOf(StowageError)
  b.tally.settle()
  expect(b.told()).toEqual([])
})

it('counts an error once, whether its call or its reader tells of it first', () => {
  const { tally, told } = tallied()
  const [first, second, stall] = [failure(), failure(), new StowageError('timeout', 'No byte came.')]
  tally.began('get')
  tally.ended('get', first)
  tally.report(first)
  tally.report(new StowageError('unavailable', 'It failed.', { cause: first }))
  expect(told()).toHaveLength(1)
  tally.began('get')
  tally.report(second)
  tally.ended('get', second)
  expect(told()).toHaveLength(1)
  // A stall, which only the reader sees: it leaves the body, which mends nothing.
  tally.began('get')
  tally.report(stall)
  tally.ended('get', 'left')
  expect(told().map(({ code }) => code)).toEqual(['timeout'])
  expect(tally.state?.consecutiveErrors).toBe(3)
  // One error object that every call fails with is as many failures.
  for (let i = 0; i < 2; i++) {
    tally.began('head')
    tally.ended('head', first)
  }
  expect(tally.state?.consecutiveErrors).toBe(5)
})

it('knows apart what a failure says: of a replica, of our keys, of too many calls', async () => {
  const { tally, adapter, inner, told } = tallied()
  await expectCode(adapter.head('none'), 'not-found')
  tally.settle()
  expect(told()).toMatchObject([{ ok: true, times: 1 }])
  for (const code of ['access-denied', 'throttled', 'not-supported', 'integrity'] as const) {
    fail(inner, () => new StowageError(code, code, code === 'throttled' ? { retryAfterMs: 7000 } : {}))
    await expectCode(adapter.head('k'), code)
  }
  expect(told()).toMatchObject([{ code: 'access-denied' }, { code: 'throttled', retryAfterMs: 7000 }])
})

it('knows how many calls are under way, and times some', async () => {
  const { tally, clock, adapter, inner, told } = tallied()
  await adapter.put('k', Buffer.alloc(100_000))
  const get = inner.get.bind(inner)
  inner.get = async (key, options) => {
    await clock.advance(20)
    return get(key, options)
  }
  const bodies = [(await adapter.get('k')).body, (await adapter.get('k')).body]
  expect(tally.load).toBe(2)
  for (const body of bodies) await readAll(body, 100_000)
  await settled()
  expect(tally.load).toBe(0)
  tally.settle()
  expect(told()).toMatchObject([{ ok: true, times: 3, latencyMs: 20 }])
})
