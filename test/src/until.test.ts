import { expect, it } from 'vitest'
import { until } from './until.ts'

it('waits until it is so', async () => {
  let looks = 0
  await until('it was looked at three times', async () => ++looks === 3, { everyMs: 1 })
  expect(looks).toBe(3)
})

it('gives up, and says what it waited for and what it saw', async () => {
  const waiting = until('pigs fly', () => false, { timeoutMs: 20, everyMs: 1, seen: () => ({ pigs: 3 }) })
  await expect(waiting).rejects.toThrow('Waited in vain for 0.02 s until pigs fly; seen last: {"pigs":3}')
})

it('throws what the look throws', async () => {
  const broken = (): never => {
    throw new Error('gone')
  }
  await expect(until('it is there', broken)).rejects.toThrow('gone')
})
