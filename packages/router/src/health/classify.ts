import type { ErrorCode } from '@stowage/core'

/**
 * What an error says about the source's health: `failing` counts against it, `denied` and `gone` no waiting will mend, `throttled` asks to be
 * spared, `answered` is a good answer to a bad question or about one object (a 404 is a bad replica, not a bad source), `silent` says nothing.
 */
export type ErrorClass = 'failing' | 'denied' | 'gone' | 'throttled' | 'answered' | 'silent'

const classes: Partial<Record<ErrorCode, ErrorClass>> = {
  unavailable: 'failing',
  timeout: 'failing',
  'access-denied': 'denied',
  'bucket-not-found': 'gone',
  throttled: 'throttled',
  'not-found': 'answered',
  'precondition-failed': 'answered',
  'invalid-request': 'answered',
  conflict: 'answered',
  archived: 'answered',
}

/** The class of an error's code. What was decided here without the source, such as `aborted` or `not-supported`, is `silent`. */
export function classifyError(code: ErrorCode | undefined): ErrorClass {
  return code === undefined ? 'failing' : (classes[code] ?? 'silent')
}
