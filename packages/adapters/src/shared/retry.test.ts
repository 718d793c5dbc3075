import { StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { withRetries } from './retry.ts'

/** Calls a store whose every answer takes that long and is this error; tells how often it was called. */
async function calls(ms: number, error: () => StowageError): Promise<{ calls: number; after: number }> {
  const clock = new FakeClock()
  const began = clock.now()
  let count = 0
  let after = 0
  const send = async (): Promise<never> => {
    count++
    await clock.sleep(ms)
    throw error()
  }
  const all = withRetries(send, { attempts: 3, clock, random: seededRandom(1), repeatable: true }).catch(() => {
    after = clock.now() - began
  })
  await clock.advance(1_000_000)
  await all
  return { calls: count, after }
}

describe('a request that fails', () => {
  it('is sent again where that can help', async () => {
    expect(await calls(10, () => new StowageError('unavailable', 'down', { retryable: true }))).toMatchObject({
      calls: 3,
    })
    expect(await calls(10, () => new StowageError('access-denied', 'no'))).toMatchObject({ calls: 1 })
  })

  it('is sent again after a short silence, and not after one of a minute', async () => {
    const silent = (): StowageError => new StowageError('timeout', 'no bytes moved', { retryable: true })
    expect(await calls(10_000, silent)).toMatchObject({ calls: 3 })
    expect(await calls(60_000, silent)).toEqual({ calls: 1, after: 60_000 })
  })

  it('is sent again when it was answered, however long that took', async () => {
    expect(await calls(90_000, () => new StowageError('unavailable', 'down', { retryable: true }))).toMatchObject({
      calls: 3,
    })
  })
})
