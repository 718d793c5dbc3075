import { FakeClock, seededRandom } from '@stowage/core/testing'
import { memoryStore } from '@stowage/sync'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import { Records } from './records.ts'
import { ringOf, takeTurn } from './rings.ts'
import { openWorld, pair, type World } from './testing.ts'

const there: PolicyConfig = { id: 'there', on: 'schedule', from: 'a:', to: 'b:', schedule: '* * * * *' }
const back: PolicyConfig = { ...there, id: 'back', from: 'b:', to: 'a:' }

describe('the ring of a policy', () => {
  it.each<[string, string[], PolicyConfig[]]>([
    ['two that copy each other', ['p', 'q'], [pair('p', 'a:', 'b:'), pair('q', 'b:x', 'a:x')]],
    ['a chain', [], [pair('p', 'a:', 'b:'), pair('q', 'b:', 'c:')]],
    [
      'what leads into it is not in it',
      ['p', 'q'],
      [pair('p', 'a:', 'b:'), pair('q', 'b:', 'a:'), pair('r', 'c:', 'a:')],
    ],
    ['three', ['p', 'q', 'r'], [pair('p', 'a:', 'b:'), pair('q', 'b:', 'c:'), pair('r', 'c:', 'a:')]],
    ['one that is off', [], [pair('p', 'a:', 'b:'), pair('q', 'b:', 'a:', { enabled: false })]],
    [
      'one that is off and is run by hand',
      ['p', 'q'],
      [pair('p', 'a:', 'b:', { enabled: false }), pair('q', 'b:', 'a:')],
    ],
    ['other prefixes', [], [pair('p', 'a:x', 'b:x'), pair('q', 'b:y', 'a:y')]],
    ['one that goes both ways', [], [pair('p', 'a:', 'b:', { twoWay: true })]],
    ['one way beside both ways', ['p', 'q'], [pair('p', 'a:', 'b:', { twoWay: true }), pair('q', 'a:', 'b:')]],
    ['versions of datasets', [], [pair('p', 'a', 'b'), pair('q', 'b', 'a')]],
  ])('%s', (_, ring, all) => {
    expect(ringOf(all[0] as PolicyConfig, all)).toEqual(ring)
  })
})

describe('the turn', () => {
  const all = ['p', 'q', 'r'].map((id): PolicyConfig => ({ ...there, id, twoWay: true }))
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const records = new Records({ store, clock, random: seededRandom(1) })
  const { signal } = new AbortController()
  const take = (id: string): ReturnType<typeof takeTurn> => {
    const policy = all.find((one) => one.id === id) as PolicyConfig
    return takeTurn(records, policy, all, { isWhole: true, signal })
  }

  it('goes to who has asked for it longest, and waits for nobody who asks no more', async () => {
    const first = await take('p')
    for (const id of ['q', 'r']) {
      await clock.advance(1000)
      await expect(take(id)).rejects.toMatchObject({ message: `Policy "${id}" waits for "p".` })
    }
    await first?.release()
    await clock.advance(1000)
    for (const id of ['p', 'r'])
      await expect(take(id)).rejects.toMatchObject({ code: 'lease-held', message: `Policy "${id}" waits for "q".` })
    await (await take('q'))?.release()
    await expect(take('p')).rejects.toMatchObject({ message: 'Policy "p" waits for "r".' })
    // "r" was removed meanwhile.
    await clock.advance(21_000)
    await (await take('p'))?.release()
  })
})

describe('two policies that copy each other', () => {
  let world: World
  /** Contents that were written over. */
  let writes: string[]

  beforeEach(async () => {
    world = await openWorld(Date.UTC(2026, 0, 1))
    await world.a.put('k', Buffer.from('one'))
    await world.b.put('k', Buffer.from('two!'))
    writes = []
    for (const adapter of [world.a, world.b]) {
      const { put } = adapter
      // Long enough that what runs at the same time has read both sides.
      adapter.put = async (...args) => {
        writes.push(adapter.id)
        await world.clock.sleep(3000, args[2]?.signal)
        return await put.apply(adapter, args)
      }
    }
  })
  afterEach(() => world.close())

  it('come to rest when both sides were written to, though their times are the same', async () => {
    const [one, two] = [await world.open([there, back]), await world.open([there, back])]
    void one.policies.start()
    void two.policies.start()
    const ended = async (): Promise<(string | undefined)[]> =>
      (await one.policies.list()).map(({ reconciled, last }) => (reconciled === undefined ? 'never' : last?.status))
    await world.until(async () => (await ended()).every((status) => status === 'success'))
    await world.pass(180_000)
    expect(await world.holds(world.a)).toEqual(await world.holds(world.b))
    expect(writes).toHaveLength(1)
    expect(await ended()).toEqual(['success', 'success'])
    expect(world.alerts).toEqual([])
  })

  it.each([
    ['a', ['back', 'there', 'back']],
    ['a', ['there', 'back']],
    ['b', ['there', 'back', 'there']],
    ['b', ['back', 'there']],
  ] as const)('bring what was written to %s over, and lose it to nothing older, when %j run', async (at, ids) => {
    const stowage = await world.open([there, back])
    const run = async (id: string): Promise<void> => {
      const running = stowage.policies.run(id)
      await world.pass(5000)
      await running
    }
    for (const id of ['there', 'back']) await run(id)
    await world.clock.advance(1000)
    const adapter = world[at]
    const writing = adapter.put('k', Buffer.from('new'))
    await world.pass(4000)
    await writing
    for (const id of ids) await run(id)
    expect([await world.holds(world.a), await world.holds(world.b)]).toEqual([{ k: 'new' }, { k: 'new' }])
  })

  it('say whose turn it is when one is asked for meanwhile', async () => {
    const [stowage, other] = [await world.open([there, back]), await world.open([there, back])]
    const running = stowage.policies.run('there')
    await world.until(() => writes.length === 1)
    await expect(other.policies.run('back')).rejects.toMatchObject({
      code: 'lease-held',
      message: 'Policy "back" waits for "there".',
    })
    expect((await other.policies.get('back')).failures).toBe(0)
    await world.pass(5000)
    expect(await running).toMatchObject({ status: 'success', objects: { copied: 1 } })
    const second = other.policies.run('back')
    await world.pass(5000)
    expect(await second).toMatchObject({ status: 'success', objects: { copied: 0 } })
    expect(writes).toHaveLength(1)
  })
})
