import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { errorCodes, retryableCodes } from './codes.ts'
import { hasCode, StowageError, throwIfAborted, toStowageError } from './error.ts'

test('an error is an Error with a code', () => {
  const cause = new Error('socket closed')
  const error = new StowageError('unavailable', 'The store did not answer.', {
    cause,
    key: 'a/b',
    sourceId: 'lan',
    hint: 'Try later.',
  })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({
    name: 'StowageError',
    code: 'unavailable',
    retryable: true,
    cause,
    key: 'a/b',
    sourceId: 'lan',
  })
  expect(error.stack).toContain('error.test')
  expect(new StowageError('internal', 'x')).not.toHaveProperty('cause')
})

test.for(errorCodes)('%s may be retried or not, unless it is told', (code) => {
  expect(new StowageError(code, 'x').retryable).toBe(retryableCodes.has(code))
  expect(new StowageError(code, 'x', { retryable: true }).retryable).toBe(true)
  expect(new StowageError(code, 'x', { retryable: false }).retryable).toBe(false)
})

describe('isInstance', () => {
  test('knows its own and those of another copy of the package', async () => {
    vi.resetModules()
    const foreign = await import('./error.ts')
    expect(foreign.StowageError).not.toBe(StowageError)
    const error = new foreign.StowageError('throttled', 'x', { retryAfterMs: 5 })
    expect(error instanceof StowageError).toBe(false)
    expect(StowageError.isInstance(error)).toBe(true)
    expect(hasCode(error, 'conflict', 'throttled')).toBe(true)
    expect(toStowageError(error)).toBe(error)
    expect(foreign.StowageError.isInstance(new StowageError('internal', 'x'))).toBe(true)
  })

  test.for([undefined, null, 'StowageError', 5, new Error('x'), { name: 'StowageError', code: 'internal' }, () => {}])(
    '%o is none',
    (value) => {
      expect(StowageError.isInstance(value)).toBe(false)
      expect(hasCode(value, 'internal')).toBe(false)
    },
  )
})

test('as JSON it has what a user may see, and not the cause', () => {
  const cause = new Error('with secret-key in it')
  const error = new StowageError('not-found', 'No such object.', {
    cause,
    key: 'a',
    sourceId: 's',
    field: 'f',
    hint: 'h',
    retryAfterMs: 5,
  })
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'not-found',
    message: 'No such object.',
    key: 'a',
    sourceId: 's',
    field: 'f',
    hint: 'h',
  })
  expect(JSON.stringify(error)).not.toContain('secret')
  expect(JSON.parse(JSON.stringify(new StowageError('internal', 'x')))).toEqual({ code: 'internal', message: 'x' })
  expect(inspect(new StowageError('internal', 'x'))).toContain('internal')
})

describe('toStowageError', () => {
  test('leaves its own kind alone, also when aborted', () => {
    const error = new StowageError('conflict', 'x')
    expect(toStowageError(error, AbortSignal.abort())).toBe(error)
  })

  test('an abort becomes aborted, however it is told', () => {
    const abort = new DOMException('x', 'AbortError')
    expect(toStowageError(abort)).toMatchObject({ code: 'aborted', cause: abort, retryable: false })
    expect(toStowageError(new Error('socket hang up'), AbortSignal.abort()).code).toBe('aborted')
    expect(toStowageError(new Error('x'), new AbortController().signal).code).toBe('internal')
  })

  test('anything else is internal, with its message', () => {
    const cause = new TypeError('boom')
    expect(toStowageError(cause)).toMatchObject({ code: 'internal', message: 'boom', cause })
    expect(toStowageError('text')).toMatchObject({ code: 'internal', message: 'text' })
    expect(toStowageError(undefined).code).toBe('internal')
  })
})

test('throwIfAborted', () => {
  expect(() => throwIfAborted(undefined)).not.toThrow()
  expect(() => throwIfAborted(new AbortController().signal)).not.toThrow()
  const reason = new Error('stop')
  try {
    throwIfAborted(AbortSignal.abort(reason))
    expect.fail('did not throw')
  } catch (error) {
    expect(error).toMatchObject({ code: 'aborted', cause: reason })
  }
})
