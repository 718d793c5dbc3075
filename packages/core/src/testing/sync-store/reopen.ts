import { describe, expect, test } from 'vitest'
import { expectCode } from '../expect-code.ts'
import type { Fresh } from './under-test.ts'
import { bytes, read } from './writes.ts'

export function reopenTests(fresh: Fresh): void {
  describe('opened again', () => {
    test('records, revisions and deletes are still what they were, when the store outlives its process', async () => {
      const { store, reopen } = await fresh()
      const kept = await store.put('kept', bytes('one'), null)
      const gone = await store.put('gone', bytes('one'), null)
      await store.delete('gone')
      if (reopen === undefined) {
        // A store in memory promises only that closing it is possible.
        await store.close()
        return
      }
      const again = await reopen()
      expect(await again.get('kept')).toMatchObject({ revision: kept })
      expect(await read(again, 'kept')).toBe('one')
      expect(await again.get('gone')).toBeUndefined()
      expect(await again.list('')).toEqual(['kept'])
      expect(await again.put('gone', bytes('two'), null)).not.toBe(gone)
      await expectCode(again.put('gone', bytes('stale'), gone), 'conflict')
      await again.put('kept', bytes('two'), kept)
      expect(await read(again, 'kept')).toBe('two')
    })
  })
}
