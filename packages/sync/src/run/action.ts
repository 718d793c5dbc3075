import { StowageError } from '@stowage/core'
import type { Decision, PlannedObject, Row } from '../plan/index.ts'
import { conflictOf, type Job, type Transferred, transfer } from '../transfer/index.ts'
import { blockedBy } from './blocked.ts'
import { objectFailed, workFailed } from './failure.ts'
import { findSame } from './find-same.ts'
import type { PassContext } from './shared.ts'
import { askBelow } from './sides.ts'
import { countObject, type Pending, tallied } from './tally.ts'

/** Sees to decisions that need no request. Returns false for those that do. */
export function settleAtOnce(
  context: PassContext,
  row: Row,
  decision: Decision,
  pending: Pending | undefined,
): boolean {
  const { objects } = context.transfers.progress
  switch (decision.action) {
    case 'none':
      settle(context, pending, undefined)
      return true
    case 'skip':
      countObject(objects, pending, 'skipped')
      if (pending !== undefined) context.frontier?.settle(pending, row.entry, row.origin)
      return true
    case 'same':
      countObject(objects, pending, 'skipped')
      settle(context, pending, row.source && row.target && { source: print(row.source), target: print(row.target) })
      return true
    case 'refuse':
      fail(context, row.key, pending, new StowageError('invalid-key', `It cannot be kept: the key ${decision.reason}.`))
      return true
    case 'blocked':
      block(context, row, pending, decision.by)
      return true
    default:
      return false
  }
}

/** Sees to a decision that needs requests. Failures of the object are noted; what ends the run stops it. */
export async function act(
  context: PassContext,
  row: Row,
  decision: Decision,
  pending: Pending | undefined,
): Promise<void> {
  const { stop } = context
  const { source, target, key } = row
  if (source === undefined) return
  const job: Job = { key, source, target }
  try {
    const same = await findSame(context, job, decision)
    if (same !== undefined) {
      countObject(context.transfers.progress.objects, pending, 'skipped')
      settle(context, pending, same)
      return
    }
    const below = row.below === null ? await askBelow(context, 'to', key, stop.signal) : undefined
    if (below !== undefined) {
      block(context, row, pending, below)
      return
    }
    if (context.options.createOnly && target !== undefined) throw conflictOf(key)
    await copy(context, job, pending)
  } catch (error) {
    workFailed(context, key, error, () => settle(context, pending, undefined), pending)
  }
}

async function copy(context: PassContext, job: Job, pending: Pending | undefined): Promise<void> {
  const { transfers, stop, options } = context
  const { progress } = transfers
  if (options.dryRun) {
    progress.begin(job.source.size)
    countObject(progress.objects, pending, 'copied')
    context.planned?.copy('to', job.key, job.source.size)
    return
  }
  const result = await transfer(transfers, job, stop.signal)
  if (result.outcome === 'vanished') {
    settle(context, pending, undefined)
    return
  }
  countObject(progress.objects, pending, result.outcome === 'same' ? 'skipped' : 'copied')
  context.outcome.copied()
  if (job.target === undefined) context.frontier?.brought('to')
  const noted = await transfers.uploads.find(job.key)
  // A target that keeps the note of its origin can be asked again after a crash; others only have the ledger to tell for them.
  const vouches = options.to.adapter.capabilities.metadata === 'native' || noted !== undefined
  context.frontier?.spent(job.key, vouches ? 0 : result.source.size, noted && transfers.uploads)
  settle(context, pending, result)
  progress.touch()
}

/** Leaves an object for the pass after the deletes, if there will be one. */
function block(context: PassContext, row: Row, pending: Pending | undefined, by: string): void {
  const { blocked, frontier, options, transfers } = context
  const error = blockedBy(row.key, by, options)
  if (blocked === undefined) {
    fail(context, row.key, pending, error)
    return
  }
  if (options.dryRun) {
    const size = row.source?.size ?? 0
    transfers.progress.begin(size)
    transfers.progress.objects.copied++
    context.planned?.copy('to', row.key, size)
  }
  blocked.note(row.key, error)
  if (pending !== undefined) pending.tally |= tallied.blocked
  frontier?.missed()
  settle(context, pending, undefined)
}

function fail(context: PassContext, key: string, pending: Pending | undefined, thrown: unknown): void {
  objectFailed(context, key, thrown, () => settle(context, pending, undefined), pending)
}

function settle(context: PassContext, pending: Pending | undefined, known: Transferred | undefined): void {
  if (pending === undefined) return
  if (known === undefined) {
    context.frontier?.settle(pending)
    return
  }
  const { source, target, digest, blocks } = known
  pending.blocks = blocks
  context.frontier?.settle(pending, { key: pending.key, source, target, ...(digest === undefined ? {} : { digest }) })
}

function print({ etag, size }: PlannedObject): { etag: string; size: number } {
  return { etag, size }
}
