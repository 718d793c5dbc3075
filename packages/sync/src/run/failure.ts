import { hasCode, toStowageError } from '@stowage/core'
import { RunStop } from '../flow/index.ts'
import type { PassContext } from './shared.ts'
import { countObject, type Pending } from './tally.ts'

/**
 * Sees to what work on an object threw: notes the failure of the object, or stops the run when nothing else could succeed either.
 * @param settle called when the object failed for good in this run
 */
export function workFailed(
  context: PassContext,
  key: string,
  thrown: unknown,
  settle: () => void,
  pending?: Pending,
): void {
  const { stop } = context
  if (thrown instanceof RunStop) stop.now({ kind: 'failed', error: thrown.error })
  else if (hasCode(thrown, 'lease-lost')) stop.now({ kind: 'failed', error: thrown })
  else if (!stop.signal.aborted) objectFailed(context, key, thrown, settle, pending)
}

/** Notes that an object failed. */
export function objectFailed(
  context: PassContext,
  key: string,
  thrown: unknown,
  settle: () => void,
  pending?: Pending,
): void {
  const { objects } = context.transfers.progress
  const error = toStowageError(thrown)
  countObject(objects, pending, error.code === 'conflict' ? 'conflicts' : 'failed')
  context.frontier?.missed()
  settle()
  try {
    context.outcome.failed(key, error)
  } catch (stop) {
    if (!(stop instanceof RunStop)) throw stop
    context.stop.now({ kind: 'failed', error: stop.error })
  }
}
