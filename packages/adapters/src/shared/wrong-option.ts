import { StowageError } from '@stowage/core'

/** The error for an option of an adapter that is missing or wrong. `why` goes on after the field's name. */
export function wrongOption(sourceId: string, field: string, why: string, hint?: string): StowageError {
  return new StowageError('configuration', `${sourceId}: ${field} ${why}.`, {
    sourceId,
    field,
    ...(hint === undefined ? {} : { hint }),
  })
}
