import { describe, expect, test } from 'vitest'
import { MAX_RECORD_VALUE, type SyncStore } from '../../ports/index.ts'
import { expectCode } from '../expect-code.ts'
import { seededRandom } from '../seeded-random.ts'
import type { Fresh } from './under-test.ts'

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export async function read(store: SyncStore, key: string): Promise<string | undefined> {
  const record = await store.get(key)
  return record && new TextDecoder().decode(record.value)
}

export function writeTests(fresh: Fresh): void {
  describe('writes', () => {
    test('a record that does not exist is undefined', async () => {
      const { store } = await fresh()
      expect(await store.get('task/1')).toBeUndefined()
      expect(await store.list('')).toEqual([])
    })

    test('creates a record, and only when there is none', async () => {
      const { store } = await fresh()
      const revision = await store.put('task/1', bytes('one'), null)
      expect(await store.get('task/1')).toMatchObject({ revision })
      expect(await read(store, 'task/1')).toBe('one')
      await expectCode(store.put('task/1', bytes('two'), null), 'conflict')
      expect(await read(store, 'task/1')).toBe('one')
      expect((await store.get('task/1'))?.revision).toBe(revision)
    })

    test('changes a record whose revision is expected, and no other', async () => {
      const { store } = await fresh()
      const first = await store.put('k', bytes('one'), null)
      const second = await store.put('k', bytes('two'), first)
      expect(second).not.toBe(first)
      await expectCode(store.put('k', bytes('three'), first), 'conflict')
      expect(await read(store, 'k')).toBe('two')
      await expectCode(store.put('absent', bytes('x'), first), 'conflict')
      expect(await store.get('absent')).toBeUndefined()
    })

    test('writing the same value again is another revision', async () => {
      const { store } = await fresh()
      const first = await store.put('k', bytes('same'), null)
      expect(await store.put('k', bytes('same'), first)).not.toBe(first)
    })

    test('a revision of another record is not this one’s', async () => {
      const { store } = await fresh()
      const a = await store.put('a', bytes('one'), null)
      const b = await store.put('b', bytes('one'), null)
      // Stores may count per record; then the two are equal and there is nothing to tell apart.
      if (a !== b) await expectCode(store.put('a', bytes('two'), b), 'conflict')
      await expectCode(store.put('a', bytes('two'), 'never given'), 'conflict')
      await expectCode(store.delete('a', 'never given'), 'conflict')
      expect(await read(store, 'a')).toBe('one')
    })

    test('a revision never comes again for a key, also not after deletes', async () => {
      const { store } = await fresh()
      const seen = new Set<string>()
      for (let round = 0; round < 6; round++) {
        const first = await store.put('k', bytes('same'), null)
        const second = await store.put('k', bytes('same'), first)
        expect(seen).not.toContain(first)
        seen.add(first)
        expect(seen).not.toContain(second)
        seen.add(second)
        await store.delete('k', round % 2 === 0 ? second : undefined)
      }
      await store.put('k', bytes('last'), null)
      for (const old of seen) await expectCode(store.put('k', bytes('stale'), old), 'conflict')
      expect(await read(store, 'k')).toBe('last')
    })

    test('deletes with and without an expected revision', async () => {
      const { store } = await fresh()
      await store.delete('never')
      await expectCode(store.delete('never', '1'), 'conflict')
      const first = await store.put('k', bytes('one'), null)
      const second = await store.put('k', bytes('two'), first)
      await expectCode(store.delete('k', first), 'conflict')
      expect(await read(store, 'k')).toBe('two')
      await store.delete('k', second)
      expect(await store.get('k')).toBeUndefined()
      expect(await store.list('')).toEqual([])
      await store.put('k', bytes('three'), null)
      await store.delete('k')
      expect(await store.get('k')).toBeUndefined()
    })

    test.for([
      ['empty', 0],
      ['one byte', 1],
      ['every byte', 256],
      ['64 KiB and one', 65_537],
      ['the largest', MAX_RECORD_VALUE],
    ] as const)('keeps binary values exactly: %s', async ([, size]) => {
      const { store } = await fresh()
      const random = seededRandom(size)
      const value = Uint8Array.from({ length: size }, (_, i) => (size === 256 ? i : Math.floor(random.next() * 256)))
      const revision = await store.put('v', value, null)
      const record = await store.get('v')
      expect(record?.revision).toBe(revision)
      expect(Buffer.compare(record?.value ?? Buffer.from('none'), value)).toBe(0)
    })

    test('refuses a value that is too large and writes nothing', async () => {
      const { store } = await fresh()
      await expectCode(store.put('v', new Uint8Array(MAX_RECORD_VALUE + 1), null), 'invalid-request')
      expect(await store.get('v')).toBeUndefined()
    })

    test('keeps its own copy of a value', async () => {
      const { store } = await fresh()
      const value = bytes('mine')
      await store.put('v', value, null)
      value.fill(0)
      const record = await store.get('v')
      expect(new TextDecoder().decode(record?.value)).toBe('mine')
      record?.value.fill(0)
      expect(await read(store, 'v')).toBe('mine')
    })

    test('has a clock that gives milliseconds and does not run backwards', async () => {
      const { store } = await fresh()
      const times = [await store.now(), await store.now(), await store.now()]
      expect(times.every((time) => Number.isFinite(time) && time > Date.UTC(2020, 0, 1))).toBe(true)
      expect(times).toEqual([...times].sort((a, b) => a - b))
    })
  })
}
