import { type Records, waitQuiet } from '../state/index.ts'
import type { StopControl } from './stop.ts'

/** A run that may have taken the lease over. */
export interface Outlasting {
  records: Records
  stop: StopControl
  /** When it began, by the store's clock. */
  beganAt: number
  /** Until then requests of owners before may still arrive, by the store's clock. */
  quietUntil: number
}

/**
 * Writes that an owner had on their way when it lost its lease may arrive until some time after that, and put what was there before in the
 * place of what this run wrote. So it looks once more when none can come any more. A run that is stopped meanwhile ends as it was stopped.
 */
export async function outlast(
  { records, stop, beganAt, quietUntil }: Outlasting,
  again: () => Promise<void>,
): Promise<void> {
  if (stop.stopping || quietUntil <= beganAt) return
  try {
    await waitQuiet(records, quietUntil, stop.signal)
    await again()
  } catch (error) {
    if (!stop.stopping) throw error
  }
}
