import type { Clock } from '@stowage/core'

/**
 * A clock for waits and rates, that never goes back: when the one below it is set back, it goes on from where it was. A wait until some time would
 * else last as long as that was set back.
 */
export function steadyClock(clock: Clock): Clock {
  let last = Number.NEGATIVE_INFINITY
  let ahead = 0
  return {
    now: () => {
      const now = clock.now()
      if (now < last) ahead += last - now
      last = now
      return now + ahead
    },
    sleep: (ms, signal) => clock.sleep(ms, signal),
  }
}
