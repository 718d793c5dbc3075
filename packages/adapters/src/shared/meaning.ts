import type { ErrorCode } from '@stowage/core'

/** What an error of a store means to a caller. */
export interface Meaning {
  code: ErrorCode
  says: string
  hint?: string
  retryable?: boolean
}
