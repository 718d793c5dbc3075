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

/** The longest wait of a timer of Node, in milliseconds: one that is longer ends at once. */
const longestMs = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal, { keepsAlive = true } = {}) => {
    const options = { ref: keepsAlive, ...(signal === undefined ? {} : { signal }) }
    try {
      for (let left = ms; ; left -= longestMs) {
        await sleep(Math.min(left, longestMs), undefined, options)
        if (left <= longestMs) return
      }
    } catch (error) {
      throw new StowageError('aborted', 'The wait was aborted.', { cause: error })
    }
  },
}
