import { StowageError } from '@stowage/core'
import { RunStop } from '../flow/index.ts'
import { type PlannedObject, type Side, sameEtag } from '../plan/index.ts'
import { remember } from '../run/counts.ts'
import { knownAs } from '../state/index.ts'
import { patient } from '../transfer/index.ts'
import { type Case, lookAt, objectAt, otherSide, settle, type TwoWayContext } from './case.ts'
import type { TwoWayCounts } from './counts.ts'
import { movedOn } from './moved-on.ts'

/** Counts a delete that is to be made on one side. */
export function countDelete(counts: TwoWayCounts, key: string, side: Side): void {
  if (side === 'to') counts.extra++
  else counts.extraBack++
  remember(key, counts)
}

/**
 * Carries a delete over to the side that still has the object: if it was agreed to, if the other side still does not have it, and if it is
 * still what was listed.
 * @throws StowageError `conflict`, `precondition-failed` when somebody changed one of the sides meanwhile
 */
export async function remove(context: TwoWayContext, one: Case, side: Side, counts: TwoWayCounts): Promise<void> {
  const { both, deletes, transfers } = context
  const { row } = one
  const there = objectAt(row, side)
  if (there === undefined) return
  const agreed = deletes?.counts.extraKeys
  if (deletes === undefined || (agreed !== undefined && !agreed.has(row.key))) {
    settle(context, one, one.base)
    return
  }
  // A listing may hide what lies below an object, and is older than an answer.
  if ((await lookAt(context, otherSide(side), row.key)) !== undefined) throw movedOn(row.key)
  if (side === 'to') counts.extra++
  else counts.extraBack++
  checkCounts(context, deletes.counts, counts, side)
  await both.intents.announce({ key: row.key, at: side, copyOf: null, known: knownAs(row.entry) })
  deletes.check()
  await deleteIfUnchanged(context, side, there)
  transfers.progress.objects.deleted++
  settle(context, one, undefined)
  transfers.progress.touch()
}

/** @throws RunStop when more would go than was agreed to, or a listing has entries that could not be read */
function checkCounts({ options }: TwoWayContext, agreed: TwoWayCounts, counts: TwoWayCounts, side: Side): void {
  const [now, before] = side === 'to' ? [counts.extra, agreed.extra] : [counts.extraBack, agreed.extraBack]
  const what =
    now > before
      ? `More than the ${before} objects counted before would be deleted: the sides changed meanwhile.`
      : counts.problems > 0
        ? 'A listing has entries that could not be read; nothing more is deleted beside them.'
        : undefined
  if (what === undefined) return
  const { id } = options[side].adapter
  throw new RunStop(new StowageError('unsafe', what, { field: side, sourceId: id, hint: 'Run it again.' }))
}

async function deleteIfUnchanged(context: TwoWayContext, side: Side, there: PlannedObject): Promise<void> {
  const { options, stop, transfers } = context
  const { adapter, prefix } = options[side]
  const key = prefix + there.key
  if (!adapter.capabilities.conditional.deleteIfMatch) {
    const now = await lookAt(context, side, there.key)
    if (now === undefined) return
    if (!sameEtag(now.etag, there.etag) || now.size !== there.size) throw movedOn(there.key)
  }
  const condition = adapter.capabilities.conditional.deleteIfMatch ? { ifMatch: there.etag } : {}
  await patient(transfers, stop.signal, () =>
    transfers.units.run(0, stop.signal, (signal) => adapter.delete(key, { ...condition, signal })),
  )
}
