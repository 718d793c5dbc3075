import type { Clock } from '@stowage/core'

/**
 * Waits for something, and no longer than that. It goes on in any case.
 * @returns whether it ended in time
 */
export async function atMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const done = new AbortController()
  const waited = clock.sleep(ms, done.signal, { keepsAlive: false }).then(
    () => false,
    () => true,
  )
  return Promise.race([work.then(() => true).finally(() => done.abort()), waited])
}
