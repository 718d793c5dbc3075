import { describe, expect, test } from 'vitest'
import type { NewSource } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { lan } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function sourceTests(fresh: Fresh): void {
  describe('sources', () => {
    test('a new one has all that was given', async () => {
      const { store, clock } = await fresh()
      const made = await store.add(lan)
      expect(made).toEqual({
        ...lan,
        hasCredentials: false,
        hasNextCredentials: false,
        createdAt: clock.now(),
        updatedAt: clock.now(),
        revision: made.revision,
      })
      expect(made.revision).toMatch(/\S/)
      expect(await store.get('lan')).toEqual(made)
      expect(await store.list()).toEqual([made])
    })

    test('what was not given is absent or has its default', async () => {
      const { store } = await fresh()
      const made = await store.add({ id: 'a', type: 'minio' })
      expect(made).toMatchObject({ name: 'a', isPublic: false, priority: 100, weight: 1, enabled: true, options: {} })
      for (const field of ['endpoint', 'bucket', 'region', 'lastHealthCheckAt', 'status']) {
        expect(made).not.toHaveProperty(field)
      }
      expect(await store.add({ id: 'b', type: 'oss' })).toMatchObject({ isPublic: true })
      expect(await store.add({ id: 'c', type: 'oss', isPublic: false })).toMatchObject({ isPublic: false })
      expect(await store.get('d')).toBeUndefined()
      expect(await store.get('A')).toBeUndefined()
      expect(await store.get('')).toBeUndefined()
    })

    test('an id is given once', async () => {
      const { store } = await fresh()
      const made = await store.add(lan)
      await expectCode(store.add({ id: 'lan', type: 'oss' }), 'conflict')
      expect(await store.list()).toEqual([made])
    })

    test('of several that add one id at once, one succeeds', async () => {
      const { store } = await fresh()
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) => store.add({ id: 'lan', type: 'minio', name: `racer ${i}` })),
      )
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      expect(won).toHaveLength(1)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' })
      expect(await store.list()).toEqual(won)
    })

    test('are listed in byte order of their ids', async () => {
      const { store } = await fresh()
      for (const id of ['b', 'a_', 'a', 'a-', 'a0', '9', 'aa']) await store.add({ id, type: 'memory' })
      expect((await store.list()).map(({ id }) => id)).toEqual(['9', 'a', 'a-', 'a0', 'a_', 'aa', 'b'])
    })

    test('what is wrong is refused with its field, and nothing is added', async () => {
      const { store } = await fresh()
      for (const [field, wrong] of [
        ['id', { id: 'Lan' }],
        ['type', { type: 'ftp' }],
        ['endpoint', { endpoint: 'https://ada:hunter2@minio.lan' }],
        ['weight', { weight: -1 }],
        ['options.secretKey', { options: { secretKey: 'hunter2' } }],
        [
          'dataKey',
          { credentials: { dataKey: Buffer.from('hunter2'), fields: { secretKey: Buffer.from('hunter2') } } },
        ],
      ] as const) {
        const error = await expectCode(store.add({ ...lan, ...wrong } as NewSource), 'invalid-request')
        expect(error.field).toBe(field)
        expect(JSON.stringify(error)).not.toContain('hunter2')
      }
      expect(await store.list()).toEqual([])
    })

    test('a health check is noted, is no change, and never goes back', async () => {
      const { store, clock } = await fresh()
      const made = await store.add(lan)
      const { cursor } = await store.changes()
      await clock.advance(1000)
      await store.setHealthChecked('lan', clock.now())
      const noted = { ...made, lastHealthCheckAt: clock.now() }
      expect(await store.get('lan')).toEqual(noted)
      await store.setHealthChecked('lan', clock.now() - 1)
      await store.setHealthChecked('nobody', clock.now())
      expect(await store.list()).toEqual([noted])
      expect(await store.changes(cursor)).toMatchObject({ cursor, changed: [], removed: [] })
    })
  })
}
