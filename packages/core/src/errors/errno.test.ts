import { expect, it } from 'vitest'
import { errnoOf, meaningOfErrno, StowageError } from './index.ts'

it('is told of errors of the system alone', () => {
  expect(errnoOf(Object.assign(new Error('no such file'), { code: 'ENOENT' }))).toBe('ENOENT')
  expect(errnoOf(Object.assign(new Error('invalid'), { code: 'ERR_INVALID_ARG_TYPE' }))).toBeUndefined()
  expect(errnoOf(new StowageError('not-found', 'There is none.'))).toBeUndefined()
  expect(errnoOf({ code: 7 })).toBeUndefined()
  expect(errnoOf(null)).toBeUndefined()
})

it('has a meaning, known or not', () => {
  expect(meaningOfErrno('ENOSPC')).toEqual({ code: 'no-space', says: 'the disk is full' })
  expect(meaningOfErrno('EIO')).toEqual({ code: 'unavailable', says: 'the file system failed' })
})
