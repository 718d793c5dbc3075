import { setTimeout as sleep } from 'node:timers/promises'
import { StowageError } from '../errors/index.ts'

/** Time as a parameter, so that tests need no sleeping. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Waits. Rejects with `aborted` when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      throw new StowageError('aborted', 'The wait was aborted.', { cause: error })
    }
  },
}
