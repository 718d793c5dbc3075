import { setTimeout as wait } from 'node:timers/promises'
import { isBusy, sqliteError } from './errors.ts'

/** How long to wait for other processes that write, in milliseconds. */
const PATIENCE = 15_000

/**
 * Runs something that another process's write may hold up, again and again until it passes.
 *
 * SQLite's own busy handler sleeps on the thread, and with `node:sqlite` that is the event loop's: transfers would stop while somebody
 * else writes. So it only waits some milliseconds (`busy_timeout`), and the rest of the waiting is done here, without blocking.
 *
 * @throws StowageError `unavailable` when others were writing all the time
 */
export async function whileBusy<T>(run: () => T): Promise<T> {
  let waited = 0
  for (let attempt = 0; ; attempt++) {
    try {
      return run()
    } catch (error) {
      if (!isBusy(error) || waited >= PATIENCE) throw sqliteError(error)
    }
    // Spread out, so that two processes that wait for each other do not stay in step.
    const pause = 1 + Math.random() * Math.min(50, 2 ** attempt)
    waited += pause
    await wait(pause)
  }
}
