import { hasCode, StowageError } from '@stowage/core'

/** An object is not as it was when it was decided about: it is to be looked at again. */
export function movedOn(key: string): StowageError {
  return new StowageError('conflict', `"${key}" was changed by somebody else since it was listed.`, { key })
}

/** Whether an error says that one side is not as it was. */
export function hasMovedOn(error: unknown): boolean {
  return hasCode(error, 'conflict', 'precondition-failed', 'source-changed')
}
