import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { steadyClock } from './steady-clock.ts'

it('goes on when the clock below it is set back, and with it when that is set forward', async () => {
  const below = new FakeClock(1_000)
  const clock = steadyClock(below)
  expect(clock.now()).toBe(1_000)
  await below.advance(50)
  expect(clock.now()).toBe(1_050)
  below.set(10)
  expect(clock.now()).toBe(1_050)
  await below.advance(40)
  expect(clock.now()).toBe(1_090)
  below.set(0)
  expect(clock.now()).toBe(1_090)
  below.set(500)
  expect(clock.now()).toBe(1_590)
  const slept = clock.sleep(100)
  await below.advance(100)
  await slept
  expect(clock.now()).toBe(1_690)
})
