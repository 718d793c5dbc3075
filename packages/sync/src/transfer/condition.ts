import { hasCode, type PutOptions, StowageError } from '@stowage/core'
import { sameEtag } from '../plan/index.ts'
import type { Job, TransferContext } from './context.ts'

/** Whether the target must not have the object yet. */
function mustBeAbsent(context: TransferContext, job: Job): boolean {
  return context.createOnly || (context.pinTarget && job.target === undefined)
}

/** The condition on which to write, as far as the target takes one. */
export function putCondition(context: TransferContext, job: Job): Pick<PutOptions, 'ifMatch' | 'ifNoneMatch'> {
  const { putCreateOnly, putIfMatch } = context.to.adapter.capabilities.conditional
  if (mustBeAbsent(context, job)) return putCreateOnly ? { ifNoneMatch: '*' } : {}
  return context.pinTarget && putIfMatch && job.target !== undefined ? { ifMatch: job.target.etag } : {}
}

/** The condition on which to complete an upload, as far as the target takes one. */
export function completeCondition(context: TransferContext, job: Job): Pick<PutOptions, 'ifMatch' | 'ifNoneMatch'> {
  const { completeCreateOnly, completeIfMatch } = context.to.adapter.capabilities.conditional
  if (mustBeAbsent(context, job)) return completeCreateOnly ? { ifNoneMatch: '*' } : {}
  return context.pinTarget && completeIfMatch === true && job.target !== undefined ? { ifMatch: job.target.etag } : {}
}

/**
 * Whether the target is as the job has it: for writes that cannot be made on a condition the closest there is, with a gap between the look
 * and the write.
 * @throws StowageError `conflict` when it is not
 */
export async function lookFirst({ to }: TransferContext, job: Job, signal: AbortSignal): Promise<void> {
  try {
    const { etag, size } = await to.adapter.head(to.prefix + job.key, { signal })
    if (job.target === undefined) throw conflictOf(job.key)
    if (!sameEtag(etag, job.target.etag) || size !== job.target.size) throw overtaken(job.key)
  } catch (error) {
    if (!hasCode(error, 'not-found')) throw error
    if (job.target !== undefined) throw overtaken(job.key, error)
  }
}

/** Somebody wrote first, where that is not to be lost. */
export function asConflict(context: TransferContext, job: Job, error: unknown): unknown {
  if (!hasCode(error, 'precondition-failed')) return error
  if (mustBeAbsent(context, job)) return conflictOf(job.key, error)
  return context.pinTarget ? overtaken(job.key, error) : error
}

export function conflictOf(key: string, cause?: unknown): StowageError {
  const message = `"${key}" exists in the target with other contents and is not to be replaced.`
  return new StowageError('conflict', message, { key, cause })
}

function overtaken(key: string, cause?: unknown): StowageError {
  return new StowageError('conflict', `"${key}" was changed by somebody else since it was listed.`, { key, cause })
}
