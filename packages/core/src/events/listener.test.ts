import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
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
  const warned = once(process, 'warning')
  const more = vi.fn()
  for (let i = 0; i < 3; i++) call(i)
  expect(listener.mock.calls).toEqual([[0], [1], [2]])
  const [warning] = await warned
  expect(String(warning)).toContain('"onProgress" threw: broken bar')
  process.on('warning', more)
  await setImmediate()
  process.off('warning', more)
  expect(more).not.toHaveBeenCalled()
})

test('without a listener there is nothing to call', () => {
  expect(harmless(undefined, 'onProgress')(1)).toBeUndefined()
})
