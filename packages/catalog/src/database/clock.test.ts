import { FakeClock } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { DatabaseClock } from './clock.ts'

/** A database whose time is ahead of ours, and which is `slow` milliseconds on the way there and as many back. */
function scene(ahead: number) {
  const own = new FakeClock()
  const database = { ahead, there: 0, back: 0 }
  const ask = async (): Promise<number> => {
    await own.advance(database.there)
    const told = Math.floor(own.now() + database.ahead)
    await own.advance(database.back)
    return told
  }
  return { own, database, start: () => DatabaseClock.start(own, ask) }
}

describe("a database's clock", () => {
  it('does not run backwards because one question takes longer than the next', async () => {
    const { own, database, start } = scene(5000)
    const clock = await start()
    let last = clock.now()
    for (const [there, back] of [
      [0, 9],
      [9, 0],
      [1, 1],
      [0, 30],
      [30, 0],
      [0, 0],
      [3, 0],
      [0, 3],
    ] as const) {
      Object.assign(database, { there, back })
      await clock.measure()
      expect(clock.now()).toBeGreaterThanOrEqual(last)
      last = clock.now()
      expect(Math.abs(last - (own.now() + 5000))).toBeLessThanOrEqual(1)
    }
  })

  it('follows a clock that was set, theirs or ours, also backwards', async () => {
    const { own, database, start } = scene(0)
    const clock = await start()
    for (const ahead of [60_000, -60_000, 3]) {
      database.ahead = ahead
      await clock.measure()
      expect(clock.now()).toBe(own.now() + ahead)
    }
  })
})
