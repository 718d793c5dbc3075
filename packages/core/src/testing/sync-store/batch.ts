import { describe, expect, test } from 'vitest'
import type { RecordWrite, SyncStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import type { Fresh } from './under-test.ts'
import { bytes, read } from './writes.ts'

/** Several writes in one step. @param has whether the store has such */
export function batchTests(fresh: Fresh, has: boolean): void {
  if (!has) {
    test('has no writes of several records in one step, as is said of it', async () => {
      expect((await fresh()).store.batch).toBeUndefined()
    })
    return
  }
  describe('batches', () => {
    const made = async (): Promise<{ store: SyncStore; batch: NonNullable<SyncStore['batch']> }> => {
      const { store } = await fresh()
      const batch = store.batch?.bind(store)
      if (batch === undefined) throw new Error('This store has no writes of several records in one step.')
      return { store, batch }
    }

    test('write, change and delete records, each with the revision that is told', async () => {
      const { store, batch } = await made()
      const old = await store.put('old', bytes('one'), null)
      const gone = await store.put('gone', bytes('one'), null)
      await store.put('any', bytes('one'), null)
      const revision = await batch([
        { key: 'new', value: bytes('two'), expected: null },
        { key: 'old', value: bytes('two'), expected: old },
        { key: 'gone', value: null, expected: gone },
        { key: 'any', value: null },
        { key: 'never', value: null },
      ])
      expect(await store.list('')).toEqual(['new', 'old'])
      for (const key of ['new', 'old']) {
        expect(await store.get(key)).toMatchObject({ revision })
        expect(await read(store, key)).toBe('two')
        expect(await store.put(key, bytes('three'), revision)).not.toBe(revision)
      }
    })

    test.for([
      ['a record that is there is made', { key: 'there', value: bytes('x'), expected: null }],
      ['a record has another revision', { key: 'there', value: bytes('x'), expected: 'never given' }],
      ['a record is not there', { key: 'absent', value: bytes('x'), expected: '1' }],
      ['what is deleted has another revision', { key: 'there', value: null, expected: 'never given' }],
      ['what is deleted is not there', { key: 'absent', value: null, expected: '1' }],
    ] as [string, RecordWrite][])('write nothing when %s', async ([, refused]) => {
      const { store, batch } = await made()
      const there = await store.put('there', bytes('one'), null)
      const other = await store.put('other', bytes('one'), null)
      for (const at of [0, 1, 2]) {
        const writes: RecordWrite[] = [
          { key: 'new', value: bytes('two'), expected: null },
          { key: 'other', value: null, expected: other },
        ]
        writes.splice(at, 0, refused)
        await expectCode(batch(writes), 'conflict')
      }
      expect(await store.list('')).toEqual(['other', 'there'])
      expect(await store.get('there')).toMatchObject({ revision: there })
      expect(await store.get('other')).toMatchObject({ revision: other })
    })

    test('refuse keys and values as other writes do', async () => {
      const { store, batch } = await made()
      await expectCode(
        batch([
          { key: 'a', value: bytes('x'), expected: null },
          { key: 'A', value: bytes('x'), expected: null },
        ]),
        'invalid-key',
      )
      expect(await store.list('')).toEqual([])
    })

    test('of several callers: one of them has it', async () => {
      const { store, batch } = await made()
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) =>
          batch([
            { key: `own/${i}`, value: bytes('x'), expected: null },
            { key: 'shared', value: bytes(`${i}`), expected: null },
          ]),
        ),
      )
      const winner = results.findIndex(({ status }) => status === 'fulfilled')
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await store.list('')).toEqual([`own/${winner}`, 'shared'])
      expect(await read(store, 'shared')).toBe(`${winner}`)
    })
  })
}
