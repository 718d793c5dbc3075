import { StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { type LedgerEntry, LedgerWriter, PairLease, readLedger } from '../state/index.ts'
import { pairKeys } from '../state/record-keys.ts'
import { memoryStore } from '../stores/index.ts'
import { FakeAdapter, fakeOwner } from '../testing/index.ts'
import { Frontier } from './frontier.ts'

it('a store that fails while results are handed over makes the cursor wait, and no result is forgotten', async () => {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const records = { store, clock, random: seededRandom(1) }
  const keys = pairKeys({
    from: { adapter: new FakeAdapter({ id: 'a' }), prefix: '' },
    to: { adapter: new FakeAdapter({ id: 'b' }), prefix: '' },
    include: [],
    exclude: [],
  })
  const { signal } = new AbortController()
  const lease = await PairLease.acquire(records, keys.state, fakeOwner(1), signal)
  let names = 0
  const name = () => keys.chunk(lease.token, ++names)
  const frontier = new Frontier(records, lease, new LedgerWriter(records, [], '', name, signal), [], name)
  const entries = Array.from({ length: 5000 }, (_, i): LedgerEntry => {
    const print = { etag: 'e', size: 1 }
    return { key: `k${String(i).padStart(5, '0')}`, source: print, target: print }
  })
  for (const entry of entries) frontier.settle(frontier.add(entry.key), entry)
  const { put } = store
  store.put = async () => {
    throw new StowageError('access-denied', 'Not now.')
  }
  await expect(frontier.checkpoint(false)).rejects.toThrow('Not now.')
  const { cursor } = frontier
  expect(cursor).toBe('k04095')
  store.put = put
  await frontier.checkpoint(true)
  expect(frontier.cursor).toBe('k04999')
  const found: string[] = []
  for await (const page of readLedger(records, lease.state.done, '', signal))
    found.push(...page.entries.map(({ key }) => key))
  expect(found).toEqual(entries.map(({ key }) => key))
  await lease.abandon()
})
