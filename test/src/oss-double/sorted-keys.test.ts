import fc from 'fast-check'
import { expect, it } from 'vitest'
import { runs } from '../level.ts'
import { SortedKeys } from './sorted-keys.ts'
import { compareBytes } from './store.ts'

it('holds keys in the order of their bytes, whatever is added and deleted', () => {
  const key = fc.array(fc.constantFrom('a', 'b', '/', '\uff5e', '😀'), { maxLength: 3 }).map((parts) => parts.join(''))
  const step = fc.record({ key, adds: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), key, (steps, position) => {
      const [sorted, plain] = [new SortedKeys(), new Set<string>()]
      for (const { key, adds } of steps) {
        if (adds) {
          sorted.add(key)
          plain.add(key)
        } else {
          sorted.delete(key)
          plain.delete(key)
        }
      }
      const expected = [...plain].sort(compareBytes).filter((one) => compareBytes(one, position) >= 0)
      expect([...sorted.from(position)]).toEqual(expected)
    }),
    { numRuns: runs(200, 5000) },
  )
})
