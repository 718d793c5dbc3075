import { FolderWatch, type Row, type Side, sameMd5 } from '../plan/index.ts'
import { workFailed } from '../run/failure.ts'
import type { Rules } from '../run/pass.ts'
import { type Case, lookAgain, objectAt, settle, type TwoWayContext } from './case.ts'
import { compare } from './conflict.ts'
import { copyTo } from './copy.ts'
import { countSides, type TwoWayCounts } from './counts.ts'
import { type ReconcileOptions, reconcile, type TwoWayDecision } from './decide.ts'
import { hasMovedOn } from './moved-on.ts'
import { agreedOn } from './recover.ts'
import { countDelete, remove } from './remove.ts'

const sides: readonly Side[] = ['from', 'to']

/** How often an object is looked at again when somebody changes it while it is worked on. */
const looks = 3

/** Carries the changes of each side over to the other. Deletes are counted, and made in a pass of their own. */
export function twoWay(context: TwoWayContext, counts: TwoWayCounts): Rules {
  const { options, both } = context
  const rulesOf = (side: Side) => options[side].adapter.capabilities.keys
  const taken = { from: new FolderWatch(rulesOf('from')), to: new FolderWatch(rulesOf('to')) }
  const facts: ReconcileOptions = {
    checksum: options.checksum,
    sameContents: (source, target) =>
      source.size === target.size && !options.checksum && sameMd5(source, target, options),
  }
  return {
    lookBelow: sides.filter((side) => !rulesOf(side).objectAndFolder),
    take(row, pending) {
      countSides(row, counts)
      const missing = missingSide(row)
      const one = { row, base: row.entry, pending, obstacle: obstacleOf(row, missing, taken) }
      const work = () => both.busy.hold(row.key, () => see(context, counts, facts, one))
      if (both.intents.of(row.key, row.entry).length > 0) return work
      const decision = reconcile(row, facts)
      if (settleAtOnce(context, counts, one, decision)) return undefined
      if (missing !== undefined && decision.action === 'copy' && one.obstacle === undefined)
        taken[missing].next(row.key)
      return work
    },
  }
}

/** The side that does not have an object that the other has. */
function missingSide({ source, target }: Row): Side | undefined {
  if (source === undefined) return target === undefined ? undefined : 'from'
  return target === undefined ? 'to' : undefined
}

/** Notes who has the key, and finds what stands in its way on the side that does not: an object above it, or below. */
function obstacleOf(row: Row, missing: Side | undefined, taken: Record<Side, FolderWatch>): string | null | undefined {
  for (const side of sides) if (objectAt(row, side) !== undefined) taken[side].next(row.key)
  return missing === undefined ? undefined : (taken[missing].blocker(row.key) ?? row.below)
}

/** Sees to decisions that need no request. Returns false for those that do. */
function settleAtOnce(context: TwoWayContext, counts: TwoWayCounts, one: Case, decision: TwoWayDecision): boolean {
  const { row } = one
  const { source, target } = row
  switch (decision.action) {
    case 'none':
      settle(context, one, undefined)
      return true
    case 'skip':
      context.transfers.progress.objects.skipped++
      settle(context, one, one.base)
      return true
    case 'same':
      context.transfers.progress.objects.skipped++
      if (source === undefined || target === undefined) return false
      settle(context, one, {
        key: row.key,
        source: { etag: source.etag, size: source.size },
        target: { etag: target.etag, size: target.size },
      })
      return true
    case 'delete':
      if (context.deletes !== undefined) return false
      countDelete(counts, row.key, decision.at)
      context.planned?.delete(decision.at, row.key)
      settle(context, one, one.base)
      return true
    default:
      return false
  }
}

/** Sees to a key that needs requests, and decides anew when it turns out not to be as it was listed. */
async function see(context: TwoWayContext, counts: TwoWayCounts, facts: ReconcileOptions, listed: Case): Promise<void> {
  const { row, pending } = listed
  let one = listed
  try {
    for (let look = 1; ; look++) {
      try {
        one = { ...one, base: await agreedOn(context, one.row) }
        await carryOut(context, counts, facts, one)
        return
      } catch (error) {
        if (!hasMovedOn(error) || look >= looks || context.stop.stopping) throw error
        one = { ...one, row: await lookAgain(context, row) }
      }
    }
  } catch (error) {
    context.both.intents.failed(row.key)
    // What the ledger says stays: it is what the next run has to decide by.
    workFailed(context, row.key, error, () => pending && context.frontier?.settle(pending, row.entry, row.origin))
  }
}

async function carryOut(
  context: TwoWayContext,
  counts: TwoWayCounts,
  facts: ReconcileOptions,
  one: Case,
): Promise<void> {
  const { entry: _, ...row } = one.row
  const decision = reconcile(one.base === undefined ? row : { ...row, entry: one.base }, facts)
  if (settleAtOnce(context, counts, one, decision)) return
  if (decision.action === 'copy') await copyTo(context, one, decision.to)
  else if (decision.action === 'delete') await remove(context, one, decision.at, counts)
  else await compare(context, one)
}
