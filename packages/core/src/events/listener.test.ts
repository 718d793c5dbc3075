import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { harmless } from './listener.ts'

test.each([
  [
    'throws',
    () => {
      throw new Error('broken bar')
    },
  ],
  ['rejects', () => Promise.reject(new Error('broken bar'))],
])('a listener that %s harms nothing, and is told of once', async (_, broken) => {
  const listener = vi.fn(broken)
  const call = harmless(listener, 'onProgress')
  const told: string[] = []
  const hear = (warning: Error): void => {
    // Others may be warned of something at the same time.
    if (warning.message.includes('"onProgress"')) told.push(warning.message)
  }
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
  for (let i = 0; i < 3; i++) call(i)
  expect(listener.mock.calls).toEqual([[0], [1], [2]])
  await expect.poll(() => told.length).toBeGreaterThan(0)
  await setImmediate()
  expect(told).toEqual(['"onProgress" threw: broken bar'])
})

test('without a listener there is nothing to call', () => {
  expect(harmless(undefined, 'onProgress')(1)).toBeUndefined()
})
