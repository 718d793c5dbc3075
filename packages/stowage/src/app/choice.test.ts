import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type MemoryOptions, memory } from '@stowage/adapters/memory'
import { readAll, type StorageAdapter } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { type Decision, explain } from '@stowage/router'
import { tempDir } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import type { RoutingConfig, SourceConfig } from '../config/index.ts'
import { createStowage } from './create.ts'

const ada = { userId: 'ada', userType: 'internal' } as const
const read = { purpose: 'read', actor: ada } as const

/** A dataset of a few files on every source. */
async function world(
  sources: Record<string, Partial<SourceConfig>>,
  routing: RoutingConfig = {},
  given: Record<string, StorageAdapter> = {},
) {
  const clock = new FakeClock()
  const ids = Object.keys(sources)
  const adapters = Object.fromEntries(ids.map((id) => [id, given[id] ?? memory({ id } satisfies MemoryOptions)]))
  const stowage = await createStowage(
    { sources: ids.map((id) => ({ ...sources[id], id, type: 'memory' as const })), routing },
    { background: false, clock, adapters, random: seededRandom(1) },
  )
  onTestFinished(() => stowage.close())
  const folder = tempDir('cats')
  for (let i = 0; i < 30; i++) writeFileSync(join(folder, `${i}.bin`), Buffer.alloc(100_000, i))
  const cats = await stowage.as(ada).datasets.create({ name: 'cats' })
  const { sourceId } = await cats.upload(folder)
  for (const id of ids) if (id !== sourceId) await stowage.replicate(cats.id, 1, id)
  const vector = (decision: Decision, id: string) => decision.candidates.find((each) => each.sourceId === id)?.vector
  return { stowage, clock, cats, datasets: stowage.as(ada).datasets, vector }
}

const two = [{ id: 'even', then: { choose: 'two' as const } }]

it('calls under way reach the choice of two, and the explanation', async () => {
  const { stowage, datasets, cats, vector } = await world({ a: {}, b: {} }, { rules: two })
  const adapter = await stowage.sources.adapter('a')
  let key = ''
  for await (const page of adapter.list())
    for (const object of page.objects) if (object.size === 100_000) key = object.key
  const bodies = await Promise.all(Array.from({ length: 3 }, async () => (await adapter.get(key)).body))
  expect(stowage.sources.load()).toEqual({ a: 3 })
  for (let i = 0; i < 10; i++) {
    const decision = await stowage.route(read)
    expect(decision.candidates[0]?.sourceId).toBe('b')
    expect(vector(decision, 'a')?.load).toBe(1)
    expect(explain(decision)).toMatch(/load: busier, or not drawn/)
  }
  // The record has what it was made from.
  const { id } = await stowage.route(read)
  const { record, same } = await stowage.routing.replay(id)
  expect(record.world.load).toEqual({ a: 3 })
  expect(same).toBe(true)
  for (const body of bodies) body.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  expect(stowage.sources.load()).toEqual({})
  // Nobody is busy: both are drawn.
  const firsts = new Set<string | undefined>()
  for (let i = 0; i < 40; i++) firsts.add((await datasets.open(cats.id, '1.bin')).decision.candidates[0]?.sourceId)
  expect([...firsts].sort()).toEqual(['a', 'b'])
})

it('a source that is busy passes on what a rule says', async () => {
  const rules = [{ id: 'busy', then: { spill: { load: 2 } } }]
  const { stowage, vector } = await world({ a: { priority: 1 }, b: { priority: 2 } }, { rules })
  expect((await stowage.route(read)).candidates[0]?.sourceId).toBe('a')
  const adapter = await stowage.sources.adapter('a')
  let key = ''
  for await (const page of adapter.list())
    for (const object of page.objects) if (object.size === 100_000) key = object.key
  const bodies = await Promise.all([adapter.get(key), adapter.get(key)])
  const decision = await stowage.route(read)
  expect(decision.candidates[0]?.sourceId).toBe('b')
  expect(vector(decision, 'a')?.spill).toBe(1)
  expect(explain(decision)).toMatch(/rule "busy" lets others go first/)
  for (const { body } of bodies) body.destroy()
})

it('a session stays with its source where each read draws one, and with where a read went on', async () => {
  const given = { a: memory({ id: 'a' }), b: memory({ id: 'b' }) }
  const { datasets, cats } = await world({ a: {}, b: {} }, { rules: two }, given)
  const session = datasets.session(cats.id)
  const firsts = new Set<string | undefined>()
  let last: Decision | undefined
  for (let i = 0; i < 30; i++) {
    const file = await session.open(`${i}.bin`)
    await readAll(file.stream, 100_000)
    firsts.add(file.decision.candidates[0]?.sourceId)
    last = file.decision
  }
  expect([...firsts]).toEqual([session.sourceId])
  expect(session.version).toBe(1)
  expect(last?.candidates[1]?.vector.session).toBe(1)
  expect(explain(last as Decision)).toMatch(/the session stays with it/)
  // Its source loses a file: it goes on at the other one, and stays there.
  const left = session.sourceId as 'a' | 'b'
  const other = left === 'a' ? 'b' : 'a'
  for await (const page of given[left].list()) {
    for (const { key, size } of page.objects) if (size === 100_000) await given[left].delete(key)
  }
  const file = await session.open('1.bin')
  await readAll(file.stream, 100_000)
  expect(file.failovers).toMatchObject([{ from: left, to: other }])
  expect(session.sourceId).toBe(other)
  expect((await session.open('2.bin')).decision.candidates[0]?.sourceId).toBe(other)
})

it('latency of calls decides between sources that are equal otherwise', async () => {
  const given = { a: memory({ id: 'a' }), b: memory({ id: 'b' }) }
  const { stowage, clock, vector } = await world({ a: {}, b: {} }, {}, given)
  for (const [id, ms] of [
    ['a', 300],
    ['b', 5],
  ] as const) {
    given[id].head = async (key) => {
      await clock.advance(ms)
      return { key, size: 1, etag: 'x', lastModified: 0 } as never
    }
    const adapter = await stowage.sources.adapter(id)
    for (let i = 0; i < 200; i++) await adapter.head('x')
  }
  const decision = await stowage.route(read)
  expect(decision.candidates.map(({ sourceId }) => sourceId)).toEqual(['b', 'a'])
  expect(vector(decision, 'a')?.latency).toBe(2)
  expect(explain(decision)).toMatch(/latency: slower/)
  expect(stowage.sources.get('a').health.latencyMs).toBeGreaterThan(200)
})

it('of sources that are equal otherwise reads take the cheaper, and writes the one that keeps for less', async () => {
  const { stowage, vector } = await world({
    a: { costPerGbRead: 0.12, costPerGbStored: 0.01 },
    b: { costPerGbRead: 0.02, costPerGbStored: 0.03 },
  })
  const reading = await stowage.route(read)
  expect(reading.candidates.map(({ sourceId }) => sourceId)).toEqual(['b', 'a'])
  expect(vector(reading, 'a')?.cost).toBe(0.12)
  expect(explain(reading)).toMatch(/a +1000 +100 +0\.120? .*cost: dearer/)
  const writing = await stowage.route({ ...read, purpose: 'write' })
  expect(writing.candidates.map(({ sourceId }) => sourceId)).toEqual(['a', 'b'])
  expect(explain(writing)).toMatch(/cost: dearer/)
})
