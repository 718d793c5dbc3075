import { type ErrorCode, StowageError } from '@stowage/core'

/** Exit codes of every command. Fixed: scripts branch on them. */
export const exitCodes = {
  /** Done; both sides agree. */
  done: 0,
  /** Finished, but something failed. */
  failed: 1,
  /** Bad usage or configuration; nothing was touched. */
  usage: 2,
  /** Stopped for safety; nothing was deleted. */
  unsafe: 3,
  /** Stopped at the time limit or by a signal; run it again to go on. */
  stopped: 75,
} as const

const byCode: Partial<Record<ErrorCode, number>> = {
  configuration: exitCodes.usage,
  'invalid-request': exitCodes.usage,
  unsafe: exitCodes.unsafe,
  'lease-held': exitCodes.unsafe,
  'lease-lost': exitCodes.unsafe,
  // Written by a newer version: left untouched.
  'newer-format': exitCodes.unsafe,
  aborted: exitCodes.stopped,
}

/** The exit code of a command that ended with this error. */
export function exitCodeOf(error: unknown): number {
  return (StowageError.isInstance(error) ? byCode[error.code] : undefined) ?? exitCodes.failed
}
