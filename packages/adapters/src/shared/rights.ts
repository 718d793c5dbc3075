import { hasCode, type Permission } from '@stowage/core'
import type { ProbeSteps } from './probe.ts'

/** Tries rights one after the other, and keeps what was found. What cannot be told is left out. */
export class RightsTrial {
  readonly found: Partial<Record<Permission, boolean>> = {}

  /** Makes a call that needs a right. Its result, or `undefined` when it was refused. @throws what says nothing of the right */
  async attempt<T>(right: Permission, call: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await call()
      this.found[right] ??= true
      return result
    } catch (error) {
      if (hasCode(error, 'access-denied')) this.found[right] = false
      // A store that answers something else has let us ask.
      else if (hasCode(error, 'precondition-failed', 'not-found', 'conflict')) this.found[right] ??= true
      else if (!hasCode(error, 'not-supported')) throw error
      return undefined
    }
  }

  /** Tries to list, to write the object of this name where that is asked for, and to read. */
  async attemptSteps(steps: ProbeSteps, name: string, write: boolean, signal: AbortSignal): Promise<void> {
    const { found } = this
    await this.attempt('list', async () => steps.ask?.(signal))
    if (write) await this.attempt('put', () => steps.write(name, signal))
    await this.attempt('get', () => steps.readCanary(signal))
    // Those who may not list are told that they may not read what is not there.
    if (found.get === false && found.list === false && found.put !== true) delete found.get
  }
}
