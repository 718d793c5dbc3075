import { type Catalog, openCatalog } from '@stowage/catalog'
import { encodeRecord, StowageError, type StowageEvents, type SyncStore } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import { sickly } from './testing.ts'

const key = 'routing/health/sources'

interface World {
  clock: FakeClock
  catalog: Catalog
  /** Writes of the health record, by anybody. */
  writes: () => number
  /** Makes the records fail, or hang. */
  trouble: (kind?: 'down' | 'hangs') => void
  up: Record<string, boolean>
  process: (options?: { clock?: FakeClock; root?: string }) => Promise<Stowage>
}

async function world(): Promise<World> {
  const clock = new FakeClock()
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  onTestFinished(() => catalog.close())
  let writes = 0
  let seed = 0
  let kind: 'down' | 'hangs' | undefined
  const act = async <T>(work: () => Promise<T>): Promise<T> => {
    if (kind === 'down') throw new StowageError('unavailable', 'The catalog does not answer.')
    if (kind === 'hangs') await new Promise(() => undefined)
    return work()
  }
  const { sync } = catalog
  const store: SyncStore = {
    now: () => act(() => sync.now()),
    get: (k) => (k === key ? act(() => sync.get(k)) : sync.get(k)),
    put: (k, value, expected) => {
      if (k !== key) return sync.put(k, value, expected)
      writes++
      return act(() => sync.put(k, value, expected))
    },
    delete: (k, expected) => sync.delete(k, expected),
    list: (prefix, options) => sync.list(prefix, options),
    close: async () => undefined,
  }
  const up: Record<string, boolean> = { a: true, b: true }
  const shared = Object.assign(Object.create(catalog), { sync: store }) as Catalog
  return {
    clock,
    catalog,
    writes: () => writes,
    trouble: (next) => {
      kind = next
    },
    up,
    process: async (options = {}) => {
      const stowage = await createStowage(
        {
          sources: [
            {
              id: 'a',
              type: 'memory',
              priority: 1,
              ...(options.root === undefined ? {} : { datasetRoot: options.root }),
            },
            { id: 'b', type: 'memory', priority: 2 },
          ],
          routing: { log: { catalog: false } },
        },
        {
          background: false,
          catalog: shared,
          clock: options.clock ?? clock,
          random: seededRandom(++seed),
          adapters: {
            a: sickly('a', () => up['a'] === true).adapter,
            b: sickly('b', () => up['b'] === true).adapter,
          },
        },
      )
      let closed = false
      const close = stowage.close.bind(stowage)
      stowage.close = async () => {
        if (!closed) await close()
        closed = true
      }
      onTestFinished(() => stowage.close())
      return stowage
    },
  }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

async function ask(stowage: Stowage, times = 1): Promise<void> {
  const adapter = await stowage.sources.adapter('a')
  for (let i = 0; i < times; i++) await adapter.head('x').catch(() => undefined)
  await settle()
}

async function first({ routing }: Stowage): Promise<string | undefined> {
  return (await routing.decide({ purpose: 'read', actor: { userId: 'ada' } })).candidates[0]?.sourceId
}

it('an ejection in one process is known in the others within a second, and to those that start later', async () => {
  const { clock, up, process } = await world()
  const [one, two] = [await process(), await process()]
  expect([await first(one), await first(two)]).toEqual(['a', 'a'])
  const told: StowageEvents['source.health'][] = []
  two.events.on('source.health', (event) => told.push(event))
  up['a'] = false
  await ask(one, 5)
  expect(await first(one)).toBe('b')
  await clock.advance(1000)
  expect(await first(two)).toBe('b')
  expect(told).toMatchObject([{ sourceId: 'a', status: 'error', code: 'unavailable', trouble: 'ejected' }])
  expect(two.sources.get('a').health.retryAt).toBe(one.sources.get('a').health.retryAt)

  await Promise.all([one.close(), two.close()])
  const later = await process()
  expect(await first(later)).toBe('b')
  expect(later.sources.get('a').status).toBe('error')
  // It comes back: who probes tells, and the others follow.
  const other = await process()
  await first(other)
  up['a'] = true
  await clock.advance(2000)
  expect((await later.sources.probe('a')).ok).toBe(true)
  await settle()
  await clock.advance(1000)
  await first(other)
  expect(other.sources.get('a')).toMatchObject({ status: 'active', health: { trouble: 'returning' } })
  await clock.advance(60_000)
  expect(await first(other)).toBe('a')
})

it('is written when something changes, not with each call', async () => {
  const { clock, up, process, writes } = await world()
  const one = await process()
  for (let second = 0; second < 20; second++) {
    await ask(one, 100)
    await first(one)
    await clock.advance(1000)
  }
  // Its latency was not known before.
  expect(writes()).toBeLessThanOrEqual(2)
  const before = writes()
  up['a'] = false
  await ask(one, 500)
  await first(one)
  expect(writes() - before).toBe(1)
})

it('several processes that see the same at the same time agree on one record', async () => {
  const { clock, up, process, catalog, writes } = await world()
  const all = [await process(), await process(), await process(), await process()]
  up['a'] = false
  await Promise.all(all.map((each) => ask(each, 5)))
  await clock.advance(1000)
  expect(await Promise.all(all.map(first))).toEqual(['b', 'b', 'b', 'b'])
  const record = await catalog.sync.get(key)
  const { sources } = JSON.parse(Buffer.from(record?.value ?? []).toString())
  expect(sources.a.news.ejection).toMatchObject({ ejections: 1, code: 'unavailable' })
  expect(writes()).toBeLessThanOrEqual(8)
})

it('a process that the source serves does not take an ejection over', async () => {
  const { clock, up, process } = await world()
  const [one, two] = [await process(), await process()]
  up['a'] = false
  await ask(one, 5)
  up['a'] = true
  await clock.advance(100)
  await ask(two, 1)
  await clock.advance(1000)
  expect([await first(one), await first(two)]).toEqual(['b', 'a'])
})

it('a catalog that is down or hangs keeps no decision', async () => {
  const { clock, up, process, trouble } = await world()
  const [one, two] = [await process(), await process()]
  for (const kind of ['down', 'hangs'] as const) {
    trouble(kind)
    if (kind === 'hangs') {
      await clock.advance(1000)
      const decision = first(one)
      await clock.advance(300)
      expect(await decision).toBe('b')
    } else {
      up['a'] = false
      await ask(one, 5)
      await clock.advance(1000)
      expect(await first(one)).toBe('b')
      expect(await first(two)).toBe('a')
    }
  }
  const closed = Promise.all([one.close(), two.close()])
  await clock.advance(3000)
  await closed
})

it('what could not be written while the catalog was down is written when it is there again', async () => {
  const { clock, up, process, trouble } = await world()
  const [one, two] = [await process(), await process()]
  trouble('down')
  up['a'] = false
  await ask(one, 5)
  await clock.advance(2000)
  await first(one)
  trouble()
  await clock.advance(1000)
  await first(one)
  await settle()
  await clock.advance(1000)
  expect(await first(two)).toBe('b')
})

it('a record of a newer version is left alone and told once; one that cannot be read is written anew', async () => {
  const { clock, up, process, catalog } = await world()
  const one = await process()
  const alerts: string[] = []
  one.events.on('alert', ({ code }) => alerts.push(code))
  const newer = encodeRecord({ format: 9, sources: {} })
  await catalog.sync.put(key, newer, null)
  up['a'] = false
  for (let i = 0; i < 3; i++) {
    await clock.advance(1000)
    await ask(one, 5)
    expect(await first(one)).toBe('b')
  }
  expect(alerts).toEqual(['newer-format'])
  const kept = await catalog.sync.get(key)
  expect(Buffer.from(kept?.value ?? [])).toEqual(Buffer.from(newer))

  for (const bad of ['{', '{"format":1,"sources":{"a":{"place":"x","by":"y","news":{"ejection":{"at":"soon"}}}}}']) {
    const found = await catalog.sync.get(key)
    await catalog.sync.put(key, Buffer.from(bad), found?.revision ?? null)
    const two = await process()
    await ask(two, 5)
    expect(await first(two)).toBe('b')
    await two.close()
    const record = await catalog.sync.get(key)
    expect(JSON.parse(Buffer.from(record?.value ?? []).toString()).sources.a.news.ejection.ejections).toBe(1)
  }
})

it('what was seen of another place does not count, and clocks that differ do no harm', async () => {
  const { clock, up, process } = await world()
  const one = await process()
  up['a'] = false
  await ask(one, 5)
  expect(await first(await process({ root: 'elsewhere' }))).toBe('a')
  // A machine whose clock is an hour behind.
  const behind = new FakeClock(clock.now() - 3_600_000)
  const late = await process({ clock: behind })
  expect(await first(late)).toBe('b')
  expect(late.sources.get('a').health.retryAt).toBeLessThan(behind.now() + 31_000)
  await behind.advance(31_000)
  await clock.advance(31_000)
  expect(late.sources.get('a').status).toBe('active')
})
