import { checkKey, StowageError } from '@stowage/core'
import type { PlannedObject, Side } from '../plan/index.ts'
import { objectFailed } from '../run/failure.ts'
import { askBelow } from '../run/sides.ts'
import { knownAs } from '../state/index.ts'
import { type Announced, transfer } from '../transfer/index.ts'
import { type Case, entryOf, objectAt, otherSide, settle, type TwoWayContext, towards } from './case.ts'
import { movedOn } from './moved-on.ts'

/**
 * Brings one side's object to the other. What lies there is replaced only if it is what was listed.
 * @throws StowageError `source-changed`, `conflict` when somebody changed one of the sides meanwhile
 */
export async function copyTo(context: TwoWayContext, one: Case, side: Side): Promise<void> {
  const { options, stop, both, frontier } = context
  const { row } = one
  const { key } = row
  const source = objectAt(row, otherSide(side))
  const target = objectAt(row, side)
  if (source === undefined) return
  const { adapter, prefix } = options[side]
  const reason = checkKey(prefix + key, adapter.capabilities.keys) ?? options.checkKey?.(key)
  if (reason !== undefined) {
    const error = new StowageError('invalid-key', `"${adapter.id}" cannot keep it: the key ${reason}.`)
    objectFailed(context, key, error, () => settle(context, one, one.base))
    return
  }
  const obstacle =
    target !== undefined
      ? undefined
      : one.obstacle === null
        ? await askBelow(context, side, key, stop.signal)
        : one.obstacle
  if (obstacle !== undefined) {
    block(context, one, side, source, obstacle)
    return
  }
  const announce = ({ source: copied, digest }: Announced): Promise<void> =>
    both.intents.announce({
      key,
      at: side,
      copyOf: { ...copied, ...(digest === undefined ? {} : { digest }) },
      known: knownAs(row.entry),
    })
  const transfers = towards(context, side)
  const { progress } = transfers
  if (options.dryRun) {
    progress.begin(source.size)
    progress.objects.copied++
    context.planned?.copy(side, key, source.size)
    return
  }
  const result = await transfer(transfers, { key, source, target, announce }, stop.signal)
  if (result.outcome === 'vanished') throw movedOn(key)
  if (result.outcome === 'same') progress.objects.skipped++
  else progress.objects.copied++
  context.outcome.copied()
  if (target === undefined) frontier?.brought(side)
  frontier?.spent(key, 0, (await transfers.uploads.find(key)) && transfers.uploads)
  settle(context, one, entryOf(key, side, result))
  progress.touch()
}

/** Leaves an object for the pass after the deletes, if there will be one. */
function block(context: TwoWayContext, one: Case, side: Side, source: PlannedObject, obstacle: string): void {
  const { blocked, frontier, options, transfers } = context
  const { key } = one.row
  const keep = (): void => settle(context, one, one.base)
  const place = side === 'from' ? 'source' : 'target'
  const message = `The ${place} cannot hold "${key}" beside its own object "${obstacle}": move or delete one of the two.`
  const error = new StowageError('conflict', message, { key, sourceId: options[side].adapter.id })
  if (blocked === undefined) {
    objectFailed(context, key, error, keep)
    return
  }
  if (options.dryRun) {
    transfers.progress.begin(source.size)
    transfers.progress.objects.copied++
    context.planned?.copy(side, key, source.size)
  }
  blocked.note(key, error)
  frontier?.missed()
  keep()
}
