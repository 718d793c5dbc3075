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

test('large parts on a slow line come at the rate of the line, not in jumps', () => {
  const meter = new RateMeter(0)
  const part = 8_000_000
  let [least, most] = [Number.POSITIVE_INFINITY, 0]
  // Two parts at a time, over a line of a megabyte a second.
  for (let now = 100; now <= 400_000; now += 100) {
    if (now % 16_000 === 0) meter.add(2 * part)
    const rate = meter.sample(now)
    if (now < 120_000) continue
    least = Math.min(least, rate)
    most = Math.max(most, rate)
  }
  expect(least).toBeGreaterThan(700_000)
  expect(most).toBeLessThan(1_300_000)
})
