import { StowageError } from '@stowage/core'
import { expect, test } from 'vitest'
import { isBusy, sqliteError } from './errors.ts'

function failure(errcode: number): Error {
  return Object.assign(new Error('SQLite says'), { code: 'ERR_SQLITE_ERROR', errcode })
}

test.for([
  ['BUSY', 5, 'unavailable', true],
  ['BUSY_SNAPSHOT', 517, 'unavailable', true],
  ['LOCKED', 6, 'unavailable', true],
  ['READONLY', 8, 'access-denied', false],
  ['READONLY_DIRECTORY', 1544, 'access-denied', false],
  ['PERM', 3, 'access-denied', false],
  ['IOERR_FSYNC', 1034, 'unavailable', true],
  ['CORRUPT', 11, 'integrity', false],
  ['CORRUPT_INDEX', 779, 'integrity', false],
  ['FULL', 13, 'no-space', false],
  ['CANTOPEN', 14, 'configuration', false],
  ['NOTADB', 26, 'configuration', false],
  ['CONSTRAINT_PRIMARYKEY', 1555, 'conflict', false],
  ['CONSTRAINT_UNIQUE', 2067, 'conflict', false],
  ['CONSTRAINT_FOREIGNKEY', 787, 'not-found', false],
  ['CONSTRAINT_NOTNULL', 1299, 'internal', false],
  ['ERROR', 1, 'internal', false],
] as const)('SQLITE_%s', ([, errcode, code, retryable]) => {
  const cause = failure(errcode)
  const error = sqliteError(cause)
  expect(error).toMatchObject({ code, retryable, cause })
  expect(error.message).not.toContain('\n')
})

test('knows who is only waiting', () => {
  expect([5, 261, 517].map((code) => isBusy(failure(code)))).toEqual([true, true, true])
  expect([failure(6), new Error('x'), undefined].map(isBusy)).toEqual([false, false, false])
})

test('leaves other errors as they are', () => {
  const own = new StowageError('aborted', 'x')
  expect(sqliteError(own)).toBe(own)
  expect(sqliteError(Object.assign(new Error('database is not open'), { code: 'ERR_INVALID_STATE' })).code).toBe(
    'invalid-request',
  )
  expect(sqliteError(new TypeError('boom')).code).toBe('internal')
})
