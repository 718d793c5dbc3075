import { describe, expect, test } from 'vitest'
import { expectCode, FakeClock } from '../testing/index.ts'
import { systemClock } from './clock.ts'

describe('the machine’s clock', () => {
  test('tells the time and waits', async () => {
    const before = systemClock.now()
    await systemClock.sleep(1)
    expect(systemClock.now()).toBeGreaterThanOrEqual(before)
  })

  test('a wait ends with aborted when the signal fires, also before it began', async () => {
    const controller = new AbortController()
    const waiting = systemClock.sleep(1e9, controller.signal)
    controller.abort()
    await expectCode(waiting, 'aborted')
    await expectCode(systemClock.sleep(1e9, AbortSignal.abort()), 'aborted')
  })
})

test('a wait of months is one, although timers do not last so long', async () => {
  const controller = new AbortController()
  let isOver = false
  const waiting = systemClock.sleep(2 ** 31, controller.signal).finally(() => {
    isOver = true
  })
  await systemClock.sleep(20)
  expect(isOver).toBe(false)
  controller.abort()
  await expectCode(waiting, 'aborted')
})

describe('a fake clock', () => {
  test('stands still until it is moved', async () => {
    const clock = new FakeClock(100)
    expect(clock.now()).toBe(100)
    await clock.advance(5)
    expect(clock.now()).toBe(105)
    clock.set(50)
    expect(clock.now()).toBe(50)
  })

  test('wakes sleepers in the order of their times, at their times', async () => {
    const clock = new FakeClock(0)
    const log: string[] = []
    const sleeper = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms)
      log.push(`${name} at ${clock.now()}`)
    }
    const all = [sleeper('b', 20), sleeper('a', 10), sleeper('late', 31)]
    await clock.advance(30)
    expect(log).toEqual(['a at 10', 'b at 20'])
    expect(clock.sleeping).toBe(1)
    await clock.advance(1)
    await Promise.all(all)
    expect(log[2]).toBe('late at 31')
    expect(clock.sleeping).toBe(0)
  })

  test('one that sleeps again within the time wakes again', async () => {
    const clock = new FakeClock(0)
    const times: number[] = []
    const ticking = (async () => {
      for (let i = 0; i < 5; i++) {
        await clock.sleep(10)
        times.push(clock.now())
      }
    })()
    await clock.advance(100)
    await ticking
    expect(times).toEqual([10, 20, 30, 40, 50])
    expect(clock.now()).toBe(100)
  })

  test('no wait at all ends at once', async () => {
    const clock = new FakeClock()
    await clock.sleep(0)
    await clock.sleep(-5)
    expect(clock.sleeping).toBe(0)
  })

  test('an aborted sleeper wakes with aborted and is forgotten', async () => {
    const clock = new FakeClock()
    const controller = new AbortController()
    const waiting = clock.sleep(10, controller.signal)
    expect(clock.sleeping).toBe(1)
    controller.abort()
    await expectCode(waiting, 'aborted')
    expect(clock.sleeping).toBe(0)
    await expectCode(clock.sleep(10, controller.signal), 'aborted')
  })
})
