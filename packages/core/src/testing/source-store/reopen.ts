import { describe, expect, test } from 'vitest'
import { expectCode } from '../expect-code.ts'
import { lan, masterKeys, sealedBy, secretOf, vaultOf } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function reopenTests(fresh: Fresh): void {
  describe('opened again', () => {
    test('everything is still there, when the store outlives its process', async () => {
      const { store, reopen } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      await store.add({ id: 'gone', type: 'memory' })
      const { cursor } = await store.changes()
      await store.remove('gone')
      const made = await store.add({ ...lan, credentials: await sealedBy(vault, 'lan', 'one') })
      if (reopen === undefined) {
        // A store in memory promises only that closing it is possible.
        await store.close()
        return
      }
      const again = await reopen()
      expect(await again.list()).toEqual([made])
      expect(await secretOf(vault, 'lan', (await again.getCredentials('lan'))?.current)).toBe('one')
      expect(await again.changes(cursor)).toMatchObject({ whole: false, changed: [made], removed: ['gone'] })
      const next = await again.update('lan', { priority: 9 }, made.revision)
      expect(next.revision).not.toBe(made.revision)
      await expectCode(again.update('lan', { priority: 8 }, made.revision), 'conflict')
    })
  })
}
