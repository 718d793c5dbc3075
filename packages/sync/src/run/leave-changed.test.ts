import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, fakeOwner } from '../testing/index.ts'

function world() {
  const clock = new FakeClock()
  const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1), owner: fakeOwner(1) })
  return { a, b, sync }
}

it.each([
  ['a look at everything', {}],
  ['a look at some keys', { keys: ['here', 'there', 'both', 'gone'] }],
] as [string, Partial<SyncOptions>][])(
  '%s leaves what was changed in the target alone, where others write there, and nothing else',
  async (_, look) => {
    const { a, b, sync } = world()
    const run = (more: Partial<SyncOptions>) =>
      sync.run({ from: at(a, ''), to: at(b, ''), leaveChanged: true, ...more })
    for (const key of ['here', 'there', 'both', 'gone']) a.seed(key, 'first')
    await run({})
    for (const key of ['here', 'both']) a.seed(key, 'ours')
    for (const key of ['there', 'both']) b.seed(key, 'theirs')
    b.objects.delete('gone')
    expect(await run(look)).toMatchObject({ status: 'success', objects: { copied: 3 } })
    const wanted = { here: 'ours', there: 'theirs', both: 'ours', gone: 'first' }
    expect(b.contents()).toEqual(wanted)
    expect(await run(look)).toMatchObject({ objects: { copied: 0 } })
    // Once the source has something new, that is brought.
    a.seed('there', 'newest')
    await run(look)
    expect(b.contents()).toEqual({ ...wanted, there: 'newest' })
    b.seed('there', 'again')
    await run({ ...look, leaveChanged: false })
    expect(b.contents()).toEqual({ ...wanted, there: 'newest' })
  },
)

it.each([
  ['a look at everything', {}],
  ['a look at a key', { keys: ['k'] }],
] as [string, Partial<SyncOptions>][])(
  '%s takes a copy of what the target had for no news of the source',
  async (_, look) => {
    const { a, b, sync } = world()
    const both = { leaveChanged: true, compareUnknown: true, ...look }
    const there = () => sync.run({ from: at(a, ''), to: at(b, ''), ...both })
    const back = () => sync.run({ from: at(b, ''), to: at(a, ''), ...both })
    const texts = () => [a, b].map((side) => side.objects.get('k')?.bytes.toString())
    a.seed('k', 'first')
    await there()
    await back()
    // What is brought over is overtaken by another edit before the way back is looked at.
    a.seed('k', 'second')
    await there()
    a.seed('k', 'third, longer')
    expect(await back()).toMatchObject({ objects: { copied: 0, skipped: 1 } })
    expect(texts()).toEqual(['third, longer', 'second'])
    expect(await there()).toMatchObject({ objects: { copied: 1 } })
    expect(await back()).toMatchObject({ objects: { copied: 0 } })
    // An edit of the copy is news.
    b.seed('k', 'edited')
    expect(await back()).toMatchObject({ objects: { copied: 1 } })
    expect(await there()).toMatchObject({ objects: { copied: 0 } })
    expect(texts()).toEqual(['edited', 'edited'])
  },
)
