import type { Clock } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { Setbacks } from './setbacks.ts'
import type { StallLimits } from './stall-watch.ts'
import { limitsOf } from './watched-get.ts'

/** How long a place is waited for while another one is left. */
export interface Patience {
  limits: StallLimits
  clock: Clock
  setbacks: Setbacks
  /** A place was left since it was silent. */
  onSilent: (sourceId: string) => void
}

/** The patience of whoever may go without a byte for so many milliseconds. What is found silent counts for its health and for other reads. */
export function patienceOf(
  { clock, setbacks: shared, sources }: Context,
  stallMs: number | undefined,
  setbacks: Setbacks = shared,
): Patience {
  return {
    limits: limitsOf(stallMs),
    clock,
    setbacks,
    onSilent: (sourceId) => {
      setbacks.note(sourceId)
      sources.report(sourceId, { ok: false, code: 'timeout' })
    },
  }
}
