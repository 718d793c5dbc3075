import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { Fresh } from './fresh.ts'

it('who asks for what is there now is not given what a look under way saw before', async () => {
  const clock = new FakeClock()
  const gates: (() => void)[] = []
  let stored = 'old'
  let known = ''
  let looks = 0
  const fresh = new Fresh(clock, async () => {
    looks++
    const seen = stored
    await new Promise<void>((resolve) => gates.push(resolve))
    known = seen
  })
  const first = fresh.ask(false)
  stored = 'new'
  const both = Promise.all([fresh.ask(true), fresh.ask(true)])
  gates[0]?.()
  await first
  await expect.poll(() => gates.length).toBe(2)
  gates[1]?.()
  await both
  expect(known).toBe('new')
  // One look for both.
  expect(looks).toBe(2)
})
