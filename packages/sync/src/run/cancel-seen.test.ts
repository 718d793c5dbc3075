import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner } from '../testing/index.ts'

it.each<[string, Partial<SyncOptions>]>([
  ['all keys', { delete: true, allowEmpty: true }],
  ['keys by name', { keys: ['k', 'sub/k'], delete: true, allowEmpty: true }],
])(
  'a run of %s that a cancel let past the checks changes nothing, though the request is gone soon after',
  async (_, more) => {
    const clock = new FakeClock()
    const whole = memoryStore({ clock })
    let asked = true
    // Another process ends the same task meanwhile, and takes the request back.
    const store: typeof whole = Object.assign(Object.create(whole) as typeof whole, {
      get: async (key: string) => {
        const isAsked = key.includes('cancel') && asked
        if (isAsked) asked = false
        return isAsked ? { value: Buffer.from('{}'), revision: '1' } : await whole.get(key)
      },
    })
    const a = new FakeAdapter({ id: 'a' })
    a.seed('x/k', 'new')
    a.seed('x/sub/theirs', 'theirs')
    const before = a.contents()
    const sync = createSync({ store, clock, random: seededRandom(1), owner: fakeOwner(1) })
    const run = sync.run({ from: at(a, 'x'), to: at(a, 'x/sub'), taskId: 'task', ...more })
    run.catch(() => undefined)
    await clock.advance(60_000)
    expect(asked).toBe(false)
    expect(await run).toMatchObject({ status: 'cancelled' })
    expect(a.contents()).toEqual(before)
  },
)
