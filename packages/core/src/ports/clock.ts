import { setTimeout as sleep } from 'node:timers/promises'
import { StowageError } from '../errors/index.ts'

/** Time as a parameter, so that tests need no sleeping. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /**
   * Waits. Rejects with `aborted` when the signal fires.
   * @param options.keepsAlive whether a process that has nothing else to do goes on until then. @defaultValue true
   */
  sleep(ms: number, signal?: AbortSignal, options?: { keepsAlive?: boolean }): Promise<void>
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal, { keepsAlive = true } = {}) => {
    try {
      await sleep(ms, undefined, { ref: keepsAlive, ...(signal === undefined ? {} : { signal }) })
    } catch (error) {
      throw new StowageError('aborted', 'The wait was aborted.', { cause: error })
    }
  },
}
