import { expect, test } from 'vitest'
import { FakeClock } from '../testing/index.ts'
import { Reporter } from './reporter.ts'

test('reports ten times a second at most, and the last one is exact', async () => {
  const clock = new FakeClock()
  const heard: number[] = []
  const reporter = new Reporter<number>(clock, (count) => heard.push(count))
  let count = 0
  for (let i = 0; i < 10_000; i++) {
    reporter.touch(() => ++count && i)
    if (i % 10 === 9) await clock.advance(1)
  }
  reporter.flush(() => 10_000)
  // A second has passed.
  expect(heard.length).toBeLessThanOrEqual(12)
  expect(heard.length).toBeGreaterThan(8)
  expect(count).toBe(heard.length - 1)
  expect(heard.at(-1)).toBe(10_000)
})

test('makes no report for nobody', () => {
  const reporter = new Reporter<number>(new FakeClock(), undefined)
  reporter.flush(() => {
    throw new Error('made')
  })
})
