import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { openCatalog } from '@stowage/catalog'
import { type Alert, BLOCK_SIZE, Events, StowageError } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStowage } from './create.ts'
import { SilentCatalog } from './silent-catalog.ts'

const ada = { userId: 'ada', userType: 'internal' } as const
const large = Buffer.alloc(BLOCK_SIZE + 1000, 'silent')
const preferB = [{ id: 'b-first', then: { prefer: 'b' } }]
type Trouble = 'down' | 'hangs'

/** One dataset on two sources, rules and a source that are kept in the catalog, and a catalog that does what the test says. */
async function world() {
  const clock = new FakeClock()
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  let kind: Trouble | undefined
  let release = (): void => undefined
  let released = Promise.resolve()
  function troubled<T extends object>(store: T): T {
    const act = async (call: () => unknown): Promise<unknown> => {
      if (kind === 'down') throw new StowageError('unavailable', 'The catalog is down.')
      if (kind === 'hangs') await released
      return call()
    }
    return new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target)
        return typeof member === 'function' ? (...args: unknown[]) => act(() => member.apply(target, args)) : member
      },
    })
  }
  const { sync, sources, datasets } = catalog
  const shaky = Object.assign(Object.create(catalog) as typeof catalog, {
    sync: troubled(sync),
    sources: troubled(sources),
    datasets: troubled(datasets),
  })
  const adapters = { a: memory({ id: 'a' }), b: memory({ id: 'b' }) }
  const config = {
    sources: [
      { id: 'a', type: 'memory' as const, priority: 1 },
      { id: 'b', type: 'memory' as const, priority: 2 },
    ],
  }
  const open = (its: typeof catalog) => createStowage(config, { background: false, clock, catalog: its, adapters })
  const [stowage, other] = [await open(shaky), await open(catalog)]
  const trouble = (next?: Trouble): void => {
    kind = next
    release()
    if (next === 'hangs') {
      released = new Promise((resolve) => {
        release = resolve
      })
    }
  }
  onTestFinished(async () => {
    trouble()
    await stowage.close()
    await other.close()
    await catalog.close()
  })
  const folder = tempDir('silent')
  writeFileSync(join(folder, 'large'), large)
  const cats = await stowage.as(ada).datasets.create({ name: 'cats' })
  await cats.upload(folder)
  await stowage.replicate(cats.id, 1, 'b')
  await stowage.routing.setRules(preferB)
  await stowage.sources.add({ id: 'c', type: 'filesystem', root: tempDir('c') })
  const alerts: Alert[] = []
  stowage.events.on('alert', (alert) => alerts.push(alert))
  const order = async (): Promise<string[]> => {
    const { candidates } = await stowage.routing.decide({ purpose: 'read', actor: ada })
    return candidates.map(({ sourceId }) => sourceId)
  }
  return { clock, stowage, other, trouble, alerts, order, cats }
}

describe.each(['down', 'hangs'] as const)('a catalog that is %s', (kind) => {
  it('keeps neither decisions nor reads, is told of once, and is believed again', async () => {
    const { clock, stowage, other, trouble, alerts, order, cats } = await world()
    expect(await order()).toEqual(['b', 'a', 'c'])
    const file = await stowage.as(ada).datasets.open(cats.id, 'large')
    trouble(kind)
    await other.routing.resetRules()
    await other.sources.remove('c')
    await clock.advance(1000)

    // One caller waits, and not for long.
    const began = clock.now()
    const first = order()
    if (kind === 'hangs') {
      await clock.advance(199)
      expect(await Promise.race([first, Promise.resolve('waits')])).toBe('waits')
      await clock.advance(1)
    }
    expect(await first).toEqual(['b', 'a', 'c'])
    expect(clock.now() - began).toBe(kind === 'hangs' ? 200 : 0)
    // Nobody moves the clock now: who waited for it would wait for ever.
    for (let i = 0; i < 3; i++) expect(await order()).toEqual(['b', 'a', 'c'])
    expect(Buffer.from(await file.read(BLOCK_SIZE - 10, 20))).toEqual(large.subarray(BLOCK_SIZE - 10, BLOCK_SIZE + 10))
    const chunks: Uint8Array[] = []
    for await (const chunk of file.stream) chunks.push(chunk as Uint8Array)
    expect(Buffer.concat(chunks).equals(large)).toBe(true)
    for (let i = 0; i < 5; i++) {
      await clock.advance(1000)
      expect(await order()).toEqual(['b', 'a', 'c'])
    }
    const code = kind === 'down' ? 'unavailable' : 'timeout'
    expect(alerts).toEqual([
      { severity: 'warning', code, message: expect.stringMatching(/^The catalog does not answer\./) },
    ])

    trouble()
    await clock.advance(1000)
    expect(await order()).toEqual(['a', 'b'])
    expect(alerts).toHaveLength(1)
  })
})

it('a source that a slow catalog is about to tell of is waited for', async () => {
  const { clock, stowage, other, trouble } = await world()
  await other.sources.add({ id: 'd', type: 'filesystem', root: tempDir('d') })
  await clock.advance(1000)
  trouble('hangs')
  const adapter = stowage.sources.adapter('d')
  await clock.advance(250)
  trouble()
  expect((await adapter).id).toBe('d')
})

it('a catalog that comes and goes is told of once a minute, when no part of it is missed any more', () => {
  const clock = new FakeClock()
  const events = new Events()
  const told: string[] = []
  events.on('alert', ({ code }) => told.push(code))
  const silence = new SilentCatalog(clock, events)
  silence.silent('rules')
  silence.silent('sources', new StowageError('unavailable', 'No.'))
  silence.answered('rules')
  clock.set(clock.now() + 60_000)
  silence.silent('rules')
  expect(told).toEqual(['timeout'])
  silence.answered('rules')
  silence.answered('sources')
  silence.silent('sources', new StowageError('unavailable', 'No.'))
  silence.answered('sources')
  silence.silent('sources')
  expect(told).toEqual(['timeout', 'unavailable'])
})
