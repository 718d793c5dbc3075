import { expect, test } from 'vitest'
import { RateMeter } from './rate.ts'

test('a steady flow has its rate from the first sample on', () => {
  const meter = new RateMeter(1000)
  for (let now = 1100; now <= 20_000; now += 100) {
    meter.add(50)
    expect(meter.sample(now)).toBeCloseTo(500, 6)
  }
})

test('forgets what was, and falls to nothing when nothing comes', () => {
  const meter = new RateMeter(0)
  meter.add(1000)
  expect(meter.sample(1000)).toBeCloseTo(1000, 6)
  meter.add(100)
  expect(meter.sample(2000)).toBeGreaterThan(100)
  expect(meter.sample(60_000)).toBeLessThan(1)
})

test('what comes at the same moment counts with the next', () => {
  const meter = new RateMeter(0)
  expect(meter.sample(0)).toBe(0)
  meter.add(10)
  expect(meter.sample(0)).toBe(0)
  expect(meter.sample(100)).toBeCloseTo(100, 6)
  expect(meter.rate).toBeCloseTo(100, 6)
})
