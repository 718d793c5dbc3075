import { formatLocation, type Location, StowageError } from '@stowage/core'
import type { ResolvedOptions } from './options.ts'

/** Whether no more are to go than the number that may. */
export function withinCount({ maxDeleteCount }: Pick<ResolvedOptions, 'maxDeleteCount'>, count: number): boolean {
  return maxDeleteCount === undefined || count <= maxDeleteCount
}

/** The error for more deletes on a side than their number may be. */
export function overCount({ maxDeleteCount }: ResolvedOptions, side: Location, count: number): StowageError {
  return new StowageError(
    'unsafe',
    `${count} objects in ${formatLocation(side)} would be deleted, more than ${maxDeleteCount}. Nothing was deleted.`,
    {
      field: 'maxDeleteCount',
      sourceId: side.adapter.id,
      hint: 'If that is meant, raise the limit (--max-delete-count).',
    },
  )
}
