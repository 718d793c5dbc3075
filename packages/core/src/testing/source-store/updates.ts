import { describe, expect, test } from 'vitest'
import { hasCode } from '../../errors/index.ts'
import type { SourceChanges } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { lan } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function updateTests(fresh: Fresh): void {
  describe('changes of a source', () => {
    test('set what is given, clear what is null, and leave the rest', async () => {
      const { store, clock } = await fresh()
      const made = await store.add(lan)
      await clock.advance(5)
      const renamed = await store.update('lan', { name: 'new', weight: 3 }, made.revision)
      expect(renamed).toEqual({ ...made, name: 'new', weight: 3, updatedAt: clock.now(), revision: renamed.revision })
      expect(renamed.revision).not.toBe(made.revision)
      const cleared = await store.update(
        'lan',
        { endpoint: null, bucket: null, region: null, options: { root: '/x' } },
        renamed.revision,
      )
      for (const field of ['endpoint', 'bucket', 'region']) expect(cleared).not.toHaveProperty(field)
      expect(cleared).toMatchObject({ name: 'new', priority: -5, options: { root: '/x' } })
      expect(await store.get('lan')).toEqual(cleared)
    })

    test('each field alone', async () => {
      const { store } = await fresh()
      let now = await store.add(lan)
      const changes: SourceChanges[] = [
        { name: 'x' },
        { endpoint: 'https://other.lan' },
        { bucket: 'other' },
        { region: 'eu' },
        { isPublic: true },
        { priority: 7 },
        { weight: 2.5 },
        { enabled: false },
        { options: {} },
        {},
      ]
      for (const change of changes) {
        const next = await store.update('lan', change, now.revision)
        expect(next).toEqual({ ...now, ...change, revision: next.revision })
        now = next
      }
    })

    test('are refused when somebody else was first, or the source is gone', async () => {
      const { store } = await fresh()
      const made = await store.add(lan)
      const next = await store.update('lan', { priority: 1 }, made.revision)
      for (const stale of [made.revision, '', 'x', '0', '-1', '1e999', `${next.revision}0`]) {
        await expectCode(store.update('lan', { priority: 2 }, stale), 'conflict')
      }
      await expectCode(store.update('oss', { priority: 2 }, next.revision), 'not-found')
      const error = await expectCode(store.update('lan', { weight: 0, priority: 2 }, next.revision), 'invalid-request')
      expect(error.field).toBe('weight')
      expect(await store.get('lan')).toEqual(next)
    })

    test('of two that race, one loses and nothing is mixed', async () => {
      const { store } = await fresh()
      let { revision } = await store.add(lan)
      for (let round = 0; round < 5; round++) {
        const results = await Promise.allSettled([
          store.update('lan', { name: `a${round}`, region: 'a' }, revision),
          store.update('lan', { name: `b${round}`, bucket: `b${round}` }, revision),
        ])
        expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
        const lost = results.find((result) => result.status === 'rejected')
        expect(hasCode(lost?.reason, 'conflict')).toBe(true)
        const won = results.find((result) => result.status === 'fulfilled')
        expect(await store.get('lan')).toEqual(won?.value)
        revision = won?.value.revision ?? ''
      }
    })

    test('on and off needs no revision, and is a change only when it is one', async () => {
      const { store } = await fresh()
      const made = await store.add(lan)
      expect(await store.setEnabled('lan', true)).toEqual(made)
      const off = await store.setEnabled('lan', false)
      expect(off).toMatchObject({ enabled: false, name: made.name })
      expect(off.revision).not.toBe(made.revision)
      expect(await store.setEnabled('lan', false)).toEqual(off)
      await expectCode(store.update('lan', { enabled: true }, made.revision), 'conflict')
      expect(await store.setEnabled('lan', true)).toMatchObject({ enabled: true })
      await expectCode(store.setEnabled('oss', true), 'not-found')
    })
  })
}
