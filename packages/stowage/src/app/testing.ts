import type { FakeClock } from '@stowage/core/testing'

/** Waits for work that waits for time: the clock goes on, in small steps, whenever somebody sleeps. */
export async function whileTimeGoesOn<T>(clock: FakeClock, work: Promise<T>, stepMs = 50): Promise<T> {
  let isDone = false
  const done = (): void => {
    isDone = true
  }
  work.then(done, done)
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve))
    if (clock.sleeping > 0) await clock.advance(stepMs)
  }
  return work
}
