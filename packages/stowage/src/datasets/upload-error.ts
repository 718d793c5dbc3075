import { type ErrorCode, type ObjectFailure, StowageError } from '@stowage/core'
import type { SyncResult } from '@stowage/sync'

/** An upload of which some files could not be read or sent. Its code, message and key are those of the first. */
export class UploadError extends StowageError {
  /** The files that failed, at most 1000. */
  readonly failures: readonly ObjectFailure[]

  constructor(first: ObjectFailure, { errors, objects }: Pick<SyncResult, 'errors' | 'objects'>, hint: string) {
    const others = objects.failed + objects.conflicts - 1
    const more = others > 0 ? ` (and ${others} more)` : ''
    super(first.code as ErrorCode, `"${first.key}": ${first.message}${more}`, { key: first.key, hint })
    this.failures = errors
  }
}
