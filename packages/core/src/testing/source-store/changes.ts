import { describe, expect, test } from 'vitest'
import type { SourceStore } from '../../ports/index.ts'
import { repeats } from '../level.ts'
import { seededRandom } from '../seeded-random.ts'
import { lan, masterKeys, sealedBy, vaultOf } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function changeTests(fresh: Fresh): void {
  describe('what changed', () => {
    test('at first everything, then only what did', async () => {
      const { store } = await fresh()
      const empty = await store.changes()
      expect(empty).toMatchObject({ whole: true, changed: [], removed: [] })
      const a = await store.add({ id: 'b', type: 'memory' })
      const b = await store.add({ id: 'a', type: 'memory' })
      const first = await store.changes(empty.cursor)
      expect(first).toMatchObject({ whole: false, changed: [a, b], removed: [] })
      expect(await store.changes(first.cursor)).toEqual({
        cursor: first.cursor,
        whole: false,
        changed: [],
        removed: [],
      })
      const off = await store.setEnabled('b', false)
      expect(await store.changes(first.cursor)).toMatchObject({ changed: [off], removed: [] })
      expect(await store.changes(empty.cursor)).toMatchObject({ changed: [b, off] })
      expect(await store.changes()).toMatchObject({ whole: true, changed: [b, off] })
    })

    test('tells of new credentials, of those that were promoted, and of removals', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const made = await store.add(lan)
      let { cursor } = await store.changes()
      const next = await store.update('lan', { nextCredentials: await sealedBy(vault, 'lan', 'one') }, made.revision)
      let seen = await store.changes(cursor)
      expect(seen.changed).toEqual([next])
      cursor = seen.cursor
      const promoted = await store.promoteCredentials('lan', next.revision)
      seen = await store.changes(cursor)
      expect(seen.changed).toEqual([promoted])
      cursor = seen.cursor
      await store.remove('lan')
      expect(await store.changes(cursor)).toMatchObject({ whole: false, changed: [], removed: ['lan'] })
      const again = await store.add({ id: 'lan', type: 'memory' })
      expect(await store.changes(cursor)).toMatchObject({ changed: [again], removed: [] })
    })

    test('a cursor that is none of ours gets everything', async () => {
      const { store } = await fresh()
      const made = await store.add(lan)
      const { cursor } = await store.changes()
      for (const foreign of ['', 'x', '-1', '1.5', `${cursor}000000`, 'NaN', '1e3']) {
        expect(await store.changes(foreign), foreign).toMatchObject({ cursor, whole: true, changed: [made] })
      }
    })

    test('whoever follows them knows what the store knows', async () => {
      const { store } = await fresh()
      const random = seededRandom(11)
      const followers = [1, 2, 3].map(() => new Follower(store))
      const ids = ['a', 'b', 'c', 'd']
      for (let step = 0; step < repeats(80, 2_000); step++) {
        const id = ids[Math.floor(random.next() * ids.length)] as string
        const there = await store.get(id)
        if (there === undefined) await store.add({ id, type: 'memory' })
        else if (random.next() < 0.4) await store.remove(id)
        else await store.update(id, { priority: step }, there.revision)
        const follower = followers[Math.floor(random.next() * 9)]
        await follower?.follow()
      }
      for (const follower of followers) {
        await follower.follow()
        expect([...follower.known.values()].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(await store.list())
      }
    })

    test('none is passed over while others write', async () => {
      const { store } = await fresh()
      const follower = new Follower(store)
      let done = false
      const writes = Promise.all(
        ['a', 'b', 'c'].map(async (id) => {
          for (let round = 0; round < repeats(10, 100); round++) {
            const made = await store.add({ id, type: 'memory' })
            await store.update(id, { priority: round }, made.revision)
            if (round % 3 !== 2) await store.remove(id)
            else await store.remove(id, (await store.setEnabled(id, false)).revision)
          }
          await store.add({ id, type: 'memory', name: 'last' })
        }),
      ).finally(() => {
        done = true
      })
      while (!done) {
        await follower.follow()
        await new Promise((resolve) => setImmediate(resolve))
      }
      await writes
      await follower.follow()
      expect([...follower.known.keys()].sort()).toEqual(['a', 'b', 'c'])
      for (const source of await store.list()) expect(follower.known.get(source.id)).toEqual(source)
    })
  })
}

/** What a process does that keeps its sources up to date. */
class Follower {
  readonly known = new Map<string, Awaited<ReturnType<SourceStore['list']>>[number]>()
  readonly #store: SourceStore
  #cursor: string | undefined

  constructor(store: SourceStore) {
    this.#store = store
  }

  async follow(): Promise<void> {
    const { cursor, whole, changed, removed } = await this.#store.changes(this.#cursor)
    if (whole) this.known.clear()
    for (const source of changed) this.known.set(source.id, source)
    for (const id of removed) this.known.delete(id)
    this.#cursor = cursor
  }
}
