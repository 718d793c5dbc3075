import { channel } from 'node:diagnostics_channel'
import { expect } from 'vitest'
import { type ErrorCode, StowageError } from '../errors/index.ts'

/** Every error that was expected is published here, for who wants to see what errors show. */
const errors = channel('stowage.testing.error')

/** Expects a promise to fail with a StowageError of one of these codes, and returns the error. */
export async function expectCode(promise: Promise<unknown>, ...codes: ErrorCode[]): Promise<StowageError> {
  const error = await promise.then(
    (value) => expect.fail(`expected ${codes.join(' or ')}, got the value ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  errors.publish(error)
  if (!StowageError.isInstance(error)) throw error
  expect(codes, error.message).toContain(error.code)
  return error
}
