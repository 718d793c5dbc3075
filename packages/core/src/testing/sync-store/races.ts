import { describe, expect, test } from 'vitest'
import { hasCode } from '../../errors/index.ts'
import type { SyncStore } from '../../ports/index.ts'
import type { Fresh } from './under-test.ts'
import { bytes, read } from './writes.ts'

const RACERS = 50

async function increment(store: SyncStore): Promise<void> {
  for (;;) {
    const record = await store.get('counter')
    const next = record === undefined ? 1 : Number(new TextDecoder().decode(record.value)) + 1
    try {
      await store.put('counter', bytes(String(next)), record?.revision ?? null)
      return
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
    }
  }
}

export function raceTests(fresh: Fresh): void {
  describe('races', () => {
    test('of several that create one record, one succeeds', async () => {
      const { store } = await fresh()
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, (_, i) => store.put('one', bytes(`racer ${i}`), null)),
      )
      const winners = results.flatMap((result, i) =>
        result.status === 'fulfilled' ? [{ i, revision: result.value }] : [],
      )
      expect(winners).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') expect(hasCode(result.reason, 'conflict'), String(result.reason)).toBe(true)
      }
      expect(await read(store, 'one')).toBe(`racer ${winners[0]?.i}`)
      expect((await store.get('one'))?.revision).toBe(winners[0]?.revision)
    })

    test(`of ${RACERS} racing increments none is lost`, { timeout: 120_000 }, async () => {
      const { store } = await fresh()
      await Promise.all(Array.from({ length: RACERS }, () => increment(store)))
      expect(await read(store, 'counter')).toBe(String(RACERS))
    })

    test('a delete and a change of one revision: one of them succeeds', async () => {
      const { store } = await fresh()
      for (let round = 0; round < 5; round++) {
        const revision = await store.put(`k/${round}`, bytes('one'), null)
        const [change, removal] = await Promise.allSettled([
          store.put(`k/${round}`, bytes('two'), revision),
          store.delete(`k/${round}`, revision),
        ])
        expect([change.status, removal.status].sort()).toEqual(['fulfilled', 'rejected'])
        expect(await read(store, `k/${round}`)).toBe(change.status === 'fulfilled' ? 'two' : undefined)
      }
    })

    test('writes of different records do not disturb each other, and no reader sees half a value', async () => {
      const { store } = await fresh()
      const size = 100_000
      let revision = await store.put('big', new Uint8Array(size).fill(65), null)
      const writes = (async () => {
        for (let i = 1; i <= 8; i++) revision = await store.put('big', new Uint8Array(size).fill(65 + i), revision)
      })()
      const reads = Array.from({ length: 16 }, async (_, i) => {
        await store.put(`small/${i}`, bytes(String(i)), null)
        const value = (await store.get('big'))?.value ?? new Uint8Array()
        expect(value.length).toBe(size)
        expect(value.every((byte) => byte === value[0])).toBe(true)
      })
      await Promise.all([writes, ...reads])
      expect(await store.list('small/')).toHaveLength(16)
    })
  })
}
