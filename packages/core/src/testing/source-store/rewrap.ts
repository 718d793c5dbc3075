import { describe, expect, test } from 'vitest'
import { rewrapAll } from '../../vault/index.ts'
import { expectCode } from '../expect-code.ts'
import { lan, masterKeys, sealedBy, secretOf, vaultOf } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function rewrapTests(fresh: Fresh): void {
  describe('data keys', () => {
    test('are listed in pages, each once', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const expected: string[] = []
      for (const id of ['a', 'a-b', 'b', 'c']) {
        const made = await store.add({
          id,
          type: 'minio',
          ...(id === 'c' ? {} : { credentials: await sealedBy(vault, id, '1') }),
        })
        if (id !== 'c') expected.push(`${id} current`)
        if (id === 'b') continue
        await store.update(id, { nextCredentials: await sealedBy(vault, id, '2') }, made.revision)
        expected.push(`${id} next`)
      }
      for (const limit of [1, 2, 3, 100]) {
        const found: string[] = []
        let after: { sourceId: string; slot: 'current' | 'next' } | undefined
        for (;;) {
          const rows = await store.listDataKeys({ limit, ...(after === undefined ? {} : { after }) })
          expect(rows.length).toBeLessThanOrEqual(limit)
          found.push(...rows.map(({ sourceId, slot }) => `${sourceId} ${slot}`))
          after = rows.at(-1)
          if (rows.length < limit) break
        }
        expect(new Set(found).size).toBe(found.length)
        expect([...found].sort()).toEqual([...expected].sort())
      }
    })

    test('are swapped only if they are what was read, which is no change of the source', async () => {
      const { store } = await fresh()
      const keys = masterKeys(2)
      const [old, both] = [await vaultOf(keys.slice(0, 1)), await vaultOf(keys)]
      const made = await store.add({ ...lan, credentials: await sealedBy(old, 'lan', 'one') })
      const { cursor } = await store.changes()
      const [row] = await store.listDataKeys({ limit: 1 })
      if (row === undefined) expect.fail('there is none')
      const dataKey = (await both.rewrap('lan', row.dataKey)) ?? expect.fail('it is current')
      expect(await store.swapDataKey({ ...row, slot: 'next' }, dataKey)).toBe(false)
      expect(await store.swapDataKey({ ...row, sourceId: 'oss' }, dataKey)).toBe(false)
      expect(await store.swapDataKey({ ...row, dataKey }, dataKey)).toBe(false)
      expect(await store.swapDataKey(row, dataKey)).toBe(true)
      expect(await store.swapDataKey(row, dataKey)).toBe(false)
      await expectCode(store.swapDataKey({ ...row, dataKey }, Buffer.from('a plain text key')), 'invalid-request')
      expect(await store.get('lan')).toEqual(made)
      expect(await store.changes(cursor)).toMatchObject({ cursor, changed: [] })
      const newest = await vaultOf(keys.slice(1))
      expect(await secretOf(newest, 'lan', (await store.getCredentials('lan'))?.current)).toBe('one')
    })

    test('of all sources come under the newest master key', async () => {
      const { store } = await fresh()
      const keys = masterKeys(2)
      const [old, both] = [await vaultOf(keys.slice(0, 1)), await vaultOf(keys)]
      for (let i = 0; i < 120; i++)
        await store.add({ id: `s${i}`, type: 'minio', credentials: await sealedBy(old, `s${i}`, `${i}`) })
      expect(await rewrapAll(store, both)).toEqual({ rewrapped: 120, current: 0, failed: [] })
      const newest = await vaultOf(keys.slice(1))
      for (let i = 0; i < 120; i += 17) {
        expect(await secretOf(newest, `s${i}`, (await store.getCredentials(`s${i}`))?.current)).toBe(`${i}`)
      }
    })
  })
}
