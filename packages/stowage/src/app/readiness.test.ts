import { StowageError } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { Readiness } from './readiness.ts'
import { whileTimeGoesOn } from './testing.ts'

const nothing = () => undefined

it('tells what answers, and leaves out what there is not', async () => {
  const clock = new FakeClock()
  const both = new Readiness(clock, { catalog: async () => 'any answer', queue: async () => undefined })
  expect(await both.ask()).toEqual([
    { part: 'catalog', ready: true },
    { part: 'queue', ready: true },
  ])
  const one = new Readiness(clock, { catalog: async () => undefined, queue: nothing })
  expect(await one.ask()).toEqual([{ part: 'catalog', ready: true }])
  expect(clock.sleeping).toBe(0)
})

it('tells why a part is not ready, also when asking it throws', async () => {
  const down = new StowageError('unavailable', 'It is down.')
  const readiness = new Readiness(new FakeClock(), {
    catalog: () => Promise.reject(down),
    queue: () => {
      throw new TypeError('a bug')
    },
  })
  expect(await readiness.ask()).toMatchObject([
    { part: 'catalog', ready: false, error: { code: 'unavailable' } },
    { part: 'queue', ready: false, error: { code: 'internal', message: 'a bug' } },
  ])
})

it('waits no longer than the limit, and asks a part that hangs once in ten seconds', async () => {
  const clock = new FakeClock()
  const asked: PromiseWithResolvers<void>[] = []
  const readiness = new Readiness(clock, {
    catalog: () => {
      const question = Promise.withResolvers<void>()
      asked.push(question)
      return question.promise
    },
    queue: nothing,
  })
  const ask = (limitMs: number) => whileTimeGoesOn(clock, readiness.ask({ limitMs }))
  const began = clock.now()
  for (let i = 0; i < 4; i++) {
    expect(await ask(2000)).toMatchObject([{ part: 'catalog', ready: false, error: { code: 'timeout' } }])
  }
  expect(clock.now() - began).toBeLessThan(10_000)
  expect(asked).toHaveLength(1)
  await ask(2000)
  expect(asked).toHaveLength(1)
  await ask(2000)
  expect(asked).toHaveLength(2)
  // That of the lost question, when it comes at last, says nothing of the newer one.
  asked[0]?.reject(new StowageError('unavailable', 'It was cut off.'))
  expect(await ask(50)).toMatchObject([{ error: { code: 'timeout' } }])
  asked[1]?.resolve()
  expect(await ask(2000)).toEqual([{ part: 'catalog', ready: true }])
  expect(asked).toHaveLength(2)
  const next = ask(2000)
  asked[2]?.resolve()
  expect(await next).toEqual([{ part: 'catalog', ready: true }])
  expect(asked).toHaveLength(3)
})
