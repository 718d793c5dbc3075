import { formatLocation, StowageError } from '@stowage/core'
import type { Side } from '../plan/index.ts'
import { overCount, withinCount } from '../run/delete-count.ts'
import type { ResolvedOptions } from '../run/options.ts'
import type { PairState } from '../state/index.ts'
import { otherSide } from './case.ts'
import type { TwoWayCounts } from './counts.ts'

/** What unfinished runs of the same sync put into each side: a share is one of what was there before them. */
export type Brought = Record<Side, number>

export function broughtOf({ brought, broughtBack }: Pick<PairState, 'brought' | 'broughtBack'>): Brought {
  return { from: broughtBack, to: brought }
}

/** Whether on neither side more than the share that may be deleted is to go. */
export function withinShares(options: ResolvedOptions, counts: TwoWayCounts, brought: Brought): boolean {
  return (['from', 'to'] as const).every((side) => {
    const deletes = deletesAt(counts, side)
    return withinCount(options, deletes) && deletes <= allowedAt(options, counts, brought, side)
  })
}

/** The sides of which the other lost everything that it had before. */
export function emptiedBy(counts: TwoWayCounts, brought: Brought): Side[] {
  return (['from', 'to'] as const).filter((side) => {
    const other = otherSide(side)
    return deletesAt(counts, side) > 0 && objectsAt(counts, other) - brought[other] <= 0
  })
}

/**
 * Refuses deletes that look like an accident.
 * @throws StowageError `unsafe`; nothing was deleted
 */
export function checkShares(options: ResolvedOptions, counts: TwoWayCounts, brought: Brought): void {
  const emptied = emptiedBy(counts, brought)
  for (const side of emptied) {
    const other = otherSide(side)
    if (options.allowEmpty) continue
    throw new StowageError(
      'unsafe',
      `The ${nameOf(other)} ${formatLocation(options[other])} was emptied, the ${nameOf(side)} was not. Nothing was deleted.`,
      {
        field: other,
        sourceId: options[other].adapter.id,
        hint: 'If it is meant to be empty, allow it (--allow-empty).',
      },
    )
  }
  for (const side of ['from', 'to'] as const) {
    if (!withinCount(options, deletesAt(counts, side))) throw overCount(options, options[side], deletesAt(counts, side))
    if (emptied.includes(side) || deletesAt(counts, side) <= allowedAt(options, counts, brought, side)) continue
    throw new StowageError(
      'unsafe',
      `${deletesAt(counts, side)} of ${oldAt(counts, brought, side)} objects in ${formatLocation(options[side])} would be deleted, more than ${options.maxDeletePercent}%. Nothing was deleted.`,
      {
        field: 'maxDeletePercent',
        sourceId: options[side].adapter.id,
        hint: 'If that is meant, raise the limit (--max-delete).',
      },
    )
  }
}

function allowedAt(options: ResolvedOptions, counts: TwoWayCounts, brought: Brought, side: Side): number {
  // All may go: what was brought meanwhile, too.
  if (options.maxDeletePercent === 100) return objectsAt(counts, side)
  return (oldAt(counts, brought, side) * options.maxDeletePercent) / 100
}

/** Objects of a side that unfinished runs did not bring. */
function oldAt(counts: TwoWayCounts, brought: Brought, side: Side): number {
  return Math.max(0, objectsAt(counts, side) - brought[side])
}

function deletesAt({ extra, extraBack }: TwoWayCounts, side: Side): number {
  return side === 'to' ? extra : extraBack
}

function objectsAt({ source, target }: TwoWayCounts, side: Side): number {
  return side === 'from' ? source : target
}

function nameOf(side: Side): string {
  return side === 'from' ? 'source' : 'target'
}
