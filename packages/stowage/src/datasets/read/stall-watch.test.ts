import type { Clock } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { StallWatch } from './stall-watch.ts'

const hour = 3_600_000

it('finds a source silent in time also when the clock is set back meanwhile', async () => {
  let [now, slept] = [hour, 0]
  const clock: Clock = {
    now: () => now,
    sleep: async (ms) => {
      await new Promise((resolve) => setImmediate(resolve))
      now += ms
      slept += ms
      if (slept === ms) now -= hour
    },
  }
  const watch = new StallWatch({ silenceMs: 2000, minBytesPerSecond: 1 }, clock)
  await expectCode(watch.wait(new Promise(() => undefined)), 'timeout')
  expect(slept).toBe(4000)
  // What was waited is not less than nothing, and the next window counts as ever.
  expect(watch.isSlow(1000)).toBe(false)
  watch.stop()
})
