import { type ErrorCode, StowageError, toStowageError } from '@stowage/core'

interface SqliteFailure {
  code: ErrorCode
  message: string
  hint?: string
  retryable?: boolean
}

// The primary result codes of https://sqlite.org/rescode.html, the low byte of what node:sqlite reports as `errcode`.
const busy = 5
const locked = 6
const failures: Record<number, SqliteFailure> = {
  [busy]: {
    code: 'unavailable',
    message: 'The catalog is locked by another process.',
    hint: 'Try again; long transactions of other programs block it.',
  },
  [locked]: { code: 'unavailable', message: 'A table of the catalog is locked.' },
  8: {
    code: 'access-denied',
    message: 'The catalog cannot be written: it is read-only.',
    hint: 'Check the rights of the file and of its folder.',
  },
  3: {
    code: 'access-denied',
    message: 'The catalog cannot be used: access was denied.',
    hint: 'Check the rights of the file and of its folder.',
  },
  10: { code: 'unavailable', message: 'Reading or writing the catalog failed on its disk.' },
  11: {
    code: 'integrity',
    message: 'The catalog is damaged.',
    retryable: false,
    hint: 'Restore it from a backup, or rebuild it from the buckets.',
  },
  13: { code: 'no-space', message: 'The catalog cannot grow: its disk is full.', hint: 'Free some space.' },
  14: {
    code: 'configuration',
    message: 'The catalog cannot be opened.',
    hint: 'Check the path, and the rights of its folder.',
  },
  26: {
    code: 'configuration',
    message: 'The catalog is a file, but not an SQLite database.',
    hint: 'Give another path.',
  },
}

// Extended codes of constraints: https://sqlite.org/rescode.html#extrc
const constraints: Record<number, SqliteFailure> = {
  1555: { code: 'conflict', message: 'It exists already.' },
  2067: { code: 'conflict', message: 'It exists already.' },
  787: { code: 'not-found', message: 'What it belongs to does not exist.' },
}

/** The result code of an error of node:sqlite, or `undefined` for another error. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR') return undefined
  return (error as Error & { errcode?: number }).errcode
}

/** True when another process (or connection) is writing just now. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code !== undefined && (code & 0xff) === busy
}

/** Makes a StowageError of what node:sqlite threw. The database's own words stay in the cause, since they may quote values. */
export function sqliteError(error: unknown): StowageError {
  const code = resultCode(error)
  if (code === undefined) {
    if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_INVALID_STATE') return toStowageError(error)
    return new StowageError('invalid-request', 'The catalog is closed.', { cause: error })
  }
  const failure = constraints[code] ?? failures[code & 0xff]
  if (failure === undefined)
    return new StowageError('internal', `The catalog failed with SQLite code ${code}.`, { cause: error })
  return new StowageError(failure.code, failure.message, {
    cause: error,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.retryable === undefined ? {} : { retryable: failure.retryable }),
  })
}
