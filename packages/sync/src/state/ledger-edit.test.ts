import { compareKeys } from '@stowage/core'
import { FakeClock, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { memoryStore } from '../stores/index.ts'
import { editLedger, findEntries } from './ledger-edit.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { readLedger } from './ledger-reader.ts'
import { emptyPair, type PairState } from './pair-record.ts'

const { signal } = new AbortController()

function setup() {
  const clock = new FakeClock()
  const records = { store: memoryStore({ clock }), clock, random: seededRandom(1) }
  let names = 0
  return { records, name: () => `chunk/${++names}` }
}

const entry = (key: string, etag = 'e'): LedgerEntry => ({ key, source: { etag, size: 1 }, target: { etag, size: 1 } })

async function edited(
  { records, name }: ReturnType<typeof setup>,
  state: PairState,
  edits: Map<string, LedgerEntry | undefined>,
): Promise<PairState> {
  const { change, dropped } = await editLedger(records, state, edits, name, signal)
  for (const record of dropped) await records.store.delete(record)
  return { ...state, ...change }
}

async function all({ records }: ReturnType<typeof setup>, state: PairState): Promise<LedgerEntry[]> {
  const found: LedgerEntry[] = []
  for (const refs of [state.done, state.rest])
    for await (const page of readLedger(records, refs, '', signal)) found.push(...page.entries)
  return found
}

it('grows chunk by chunk, stays sorted and small in the pair record, and finds everything again', async () => {
  const s = setup()
  let state = emptyPair()
  const keys = Array.from({ length: 30_000 }, (_, i) => `${(i * 7919) % 30_000}`.padStart(40, 'k'))
  for (let i = 0; i < keys.length; i += 5000)
    state = await edited(s, state, new Map(keys.slice(i, i + 5000).map((key) => [key, entry(key)])))
  const found = await all(s, state)
  expect(found.map(({ key }) => key)).toEqual([...keys].sort(compareKeys))
  expect(state.rest.reduce((sum, { count }) => sum + count, 0)).toBe(30_000)
  // No record lies about that nothing refers to.
  expect((await s.records.store.list('chunk/', { limit: 1000 })).length).toBe(state.rest.length)
  const some = keys.filter((_, i) => i % 1000 === 0)
  expect([...(await findEntries(s.records, state, [...some, 'none'], signal)).keys()].sort()).toEqual(some.sort())
  state = await edited(s, state, new Map(keys.map((key) => [key, undefined])))
  expect([state.rest, await s.records.store.list('chunk/', { limit: 10 })]).toEqual([[], []])
})

it('changes what lies before the cursor there, and beyond it in the rest and in what was written along', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(30)),
      fc.uniqueArray(fc.nat(30)),
      fc.uniqueArray(fc.tuple(fc.nat(30), fc.boolean()), { selector: ([i]) => i }),
      fc.nat(30),
      async (before, along, changes, at) => {
        const s = setup()
        const key = (i: number): string => `${i}`.padStart(2, '0')
        const cursor = at === 0 ? '' : key(at)
        const [low, high] = [before.filter((i) => at > 0 && i <= at), before.filter((i) => at === 0 || i > at)]
        const listOf = (from: readonly number[]): Map<string, LedgerEntry> =>
          new Map(from.map((i) => [key(i), entry(key(i))]))
        let state: PairState = { ...emptyPair(), cursor: 'zz' }
        state = await edited(s, state, listOf(low))
        state = { ...state, cursor: '' }
        state = await edited(s, state, listOf(high))
        const beyond = along.filter((i) => at === 0 || i > at)
        const { change } = await editLedger(
          s.records,
          emptyPair(),
          new Map(beyond.map((i) => [key(i), entry(key(i), 'along')])),
          s.name,
          signal,
        )
        state = { ...state, cursor, ahead: change.rest[0] ?? null }
        const expected = new Map([...listOf(before), ...beyond.map((i) => [key(i), entry(key(i), 'along')] as const)])
        const edits = new Map(changes.map(([i, there]) => [key(i), there ? entry(key(i), 'new') : undefined]))
        for (const [name, value] of edits) {
          if (value === undefined) expected.delete(name)
          else expected.set(name, value)
        }
        state = await edited(s, state, edits)
        const keys = Array.from({ length: 31 }, (_, i) => key(i))
        expect(new Map(await findEntries(s.records, state, keys, signal))).toEqual(expected)
      },
    ),
    { numRuns: repeats(200, 5000) },
  )
})
