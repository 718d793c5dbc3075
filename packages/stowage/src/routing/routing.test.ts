import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { StowageError, type StowageEvents, systemClock, systemRandom } from '@stowage/core'
import { expectCode, FakeClock, seededRandom } from '@stowage/core/testing'
import { tempDir, testSeed } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import { createStowage, type StowageOptions } from '../app/create.ts'
import type { RoutingConfig } from '../config/index.ts'

const sources = [
  { id: 'a', type: 'memory' as const, priority: 1 },
  { id: 'b', type: 'memory' as const, priority: 2 },
]
const read = { purpose: 'read', actor: { userId: 'ada' } } as const
const preferB = [{ id: 'b-first', then: { prefer: 'b' } }]

async function open(routing: RoutingConfig = {}, options: StowageOptions = {}) {
  const stowage = await createStowage({ sources, routing }, options)
  const alerts: StowageEvents['alert'][] = []
  stowage.events.on('alert', (alert) => alerts.push(alert))
  let closed = false
  const close = async (): Promise<void> => {
    if (!closed) await stowage.close()
    closed = true
  }
  onTestFinished(close)
  return { stowage, routing: stowage.routing, alerts, close }
}

async function shared(): Promise<Catalog> {
  const catalog = await openCatalog({ type: 'memory' }, { clock: systemClock, random: systemRandom })
  onTestFinished(() => catalog.close())
  return catalog
}

async function first({ routing }: Pick<Awaited<ReturnType<typeof open>>, 'routing'>): Promise<string | undefined> {
  return (await routing.decide(read)).candidates[0]?.sourceId
}

test('rules are put in force and taken back; wrong ones are refused and change nothing', async () => {
  const here = await open()
  expect(await first(here)).toBe('a')
  const before = await here.routing.rules()
  expect(before.origin).toBe('configuration')
  await expectCode(here.routing.setRules([{ id: 'x', then: { prefers: 'b' } }]), 'configuration')
  expect((await here.routing.rules()).hash).toBe(before.hash)
  const hash = await here.routing.setRules(preferB)
  expect(await first(here)).toBe('b')
  expect(await here.routing.rules()).toMatchObject({ hash, origin: 'catalog', rules: [{ id: 'b-first' }, {}, {}, {}] })
  await here.routing.resetRules()
  expect(await first(here)).toBe('a')
  expect((await here.routing.rules()).origin).toBe('configuration')
})

test('another instance on the catalog has them within a second, and keeps its own when what is there is wrong', async () => {
  const catalog = await shared()
  const clock = new FakeClock()
  const [here, there] = [await open({}, { catalog, clock }), await open({}, { catalog, clock })]
  expect(await first(there)).toBe('a')
  await here.routing.setRules(preferB)
  await clock.advance(1000)
  expect(await first(there)).toBe('b')
  const record = await catalog.sync.get('routing/rules')
  const newer = Buffer.from(JSON.stringify({ format: 99, rules: {} }))
  const revision = await catalog.sync.put('routing/rules', newer, record?.revision ?? null)
  for (let i = 0; i < 3; i++) {
    await clock.advance(1000)
    expect(await first(there)).toBe('b')
  }
  expect(there.alerts).toEqual([expect.objectContaining({ code: 'newer-format' })])
  await catalog.sync.put('routing/rules', Buffer.from('{"format":1,"rules":{"rules":[{"id":7}]}}'), revision)
  await clock.advance(1000)
  expect(await first(there)).toBe('b')
  expect(there.alerts[1]).toMatchObject({
    code: 'configuration',
    message: expect.stringContaining('Rule number 1: id'),
  })
})

test('a catalog that does not answer changes nothing', async () => {
  const catalog = await shared()
  const clock = new FakeClock()
  const here = await open({}, { catalog, clock })
  await here.routing.setRules(preferB)
  let down = true
  const get = catalog.sync.get.bind(catalog.sync)
  catalog.sync.get = async (key) => {
    if (down && key === 'routing/rules') throw new StowageError('unavailable', 'The database is away.')
    return get(key)
  }
  await clock.advance(1000)
  expect(await first(here)).toBe('b')
  // That is told; no rule set was refused.
  expect(here.alerts).toMatchObject([{ code: 'unavailable', message: expect.stringMatching(/^The catalog does not/) }])
  down = false
})

test('rules of a file are taken over when it changes, and refused when they are wrong', async () => {
  const file = join(tempDir('rules'), 'rules.json')
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  await expectCode(createStowage({ sources, routing: { rulesFile: file } }), 'configuration')
  write(JSON.stringify(preferB))
  const clock = new FakeClock()
  const here = await open({ rulesFile: file }, { clock })
  expect(await first(here)).toBe('b')
  await expectCode(here.routing.setRules([]), 'configuration')
  await expectCode(here.routing.resetRules(), 'configuration')
  for (const bad of ['{', '[{"id":"x"}]']) {
    write(bad)
    await clock.advance(1000)
    expect(await first(here)).toBe('b')
    await clock.advance(1000)
    expect(await first(here)).toBe('b')
  }
  expect(here.alerts.map(({ code }) => code)).toEqual(['configuration', 'configuration'])
  write('[]')
  await clock.advance(1000)
  expect(await first(here)).toBe('a')
  expect((await here.routing.rules()).origin).toBe('file')
})

test('decisions before and after a change are made once more by the rules of then, also after a restart', async () => {
  const catalog = await shared()
  const before = await open({}, { catalog })
  const one = await before.routing.decide(read)
  await before.routing.setRules(preferB)
  const two = await before.stowage.route(read)
  await before.close()

  const { routing } = await open({}, { catalog })
  for (const made of [one, two]) {
    const { id, ...decision } = made
    const again = await routing.replay(id)
    expect(again).toMatchObject({ same: true, record: { id, ruleSetHash: decision.ruleSetHash } })
    expect(again.decision).toEqual(decision)
  }
  expect(one.ruleSetHash).not.toBe(two.ruleSetHash)
  expect((await routing.replay(two.id)).record.trace).toBeDefined()
  expect((await routing.replay(one.id)).record.trace).toBeUndefined()
  await expectCode(routing.replay('01hzzzzzzzzzzzzzzzzzzzzzzz'), 'not-found')
  expect((await routing.decisions()).map(({ id }) => id)).toEqual([two.id, one.id])
})

test('a set part of the decisions is kept with its trace, and counters count all of them', async () => {
  const count = 200
  for (const [traces, least, most] of [
    [0, 0, 0],
    [0.25, 25, 75],
    [1, count, count],
  ] as const) {
    const here = await open({ log: { traces } }, { random: seededRandom(testSeed()) })
    for (let i = 0; i < count; i++) await here.routing.decide(read)
    const kept = await here.routing.decisions({ limit: count })
    const traced = kept.filter(({ trace }) => trace !== undefined)
    expect([kept.length, here.routing.counters.decisions]).toEqual([count, count])
    expect(traced.length).toBeGreaterThanOrEqual(least)
    expect(traced.length).toBeLessThanOrEqual(most)
    for (const record of [traced[0], kept.find(({ trace }) => trace === undefined)]) {
      if (record !== undefined) expect(await here.routing.replay(record.id)).toMatchObject({ same: true })
    }
  }
})

test('a dry run asks recorded decisions, and says what would have changed', async () => {
  const { routing } = await open()
  for (let i = 0; i < 3; i++) await routing.decide(read)
  const { decisions, changes } = await routing.dryRun(preferB)
  expect(decisions).toBe(3)
  expect(changes.map(({ before, after, kind }) => ({ before, after, kind }))[0]).toEqual({
    before: ['a', 'b'],
    after: ['b', 'a'],
    kind: 'first',
  })
  expect(await first({ routing })).toBe('a')
})

test('memory holds the newest, the catalog all of them for some days', async () => {
  const catalog = await shared()
  const clock = new FakeClock()
  const { routing } = await open({ log: { memory: 5, days: 1 } }, { catalog, clock, background: false })
  const ids: string[] = []
  for (let i = 0; i < 12; i++) {
    ids.push((await routing.decide(read)).id)
    await clock.advance(1)
  }
  expect((await routing.decisions()).map(({ id }) => id)).toEqual(ids.toReversed())
  expect((await routing.decisions({ limit: 3 })).map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 3))
  await clock.advance(2 * 86_400_000)
  await routing.decide(read)
  await routing.decisions()
  expect(await catalog.sync.list('routing/log/')).toHaveLength(1)
  await expectCode(routing.replay(ids[0] ?? ''), 'not-found')
  expect(routing.counters).toEqual({ decisions: 13, first: { a: 13 }, panics: 0, lost: 0 })
})

test('what cannot be recorded is counted and told once, and decides nothing less', async () => {
  const catalog = await shared()
  const here = await open({ log: { memory: 2 } }, { catalog })
  const put = catalog.sync.put.bind(catalog.sync)
  catalog.sync.put = async (key, value, expected) => {
    if (key.startsWith('routing/log/')) throw new StowageError('unavailable', 'The database is full.')
    return put(key, value, expected)
  }
  for (let i = 0; i < 3; i++) {
    expect(await first(here)).toBe('a')
    await here.routing.decisions()
  }
  expect(here.routing.counters.lost).toBe(3)
  expect(here.alerts).toEqual([expect.objectContaining({ severity: 'warning', code: 'unavailable' })])
})

test('labels, costs, nodes and read-only sources of the configuration reach the decision', async () => {
  const labelled = [
    { id: 'gold', type: 'memory' as const, labels: { class: 'gold' }, costPerGbRead: 5 },
    { id: 'cheap', type: 'memory' as const, costPerGbRead: 1 },
    { id: 'kept', type: 'memory' as const, costPerGbRead: 9, readOnly: true },
  ]
  const nodes = { gpu: { region: 'here', labels: { rack: '7' }, mounts: ['kept'] } }
  const rules = [
    { id: 'g', when: { nodeLabels: { rack: '7' }, purpose: 'write' }, then: { prefer: { labels: { class: 'gold' } } } },
  ]
  const stowage = await createStowage({ sources: labelled, routing: { nodes, rules } })
  onTestFinished(() => stowage.close())
  const ids = async (request: Parameters<typeof stowage.route>[0]) =>
    (await stowage.route(request)).candidates.map(({ sourceId }) => sourceId)
  expect(await ids({ purpose: 'read', actor: {} })).toEqual(['cheap', 'gold', 'kept'])
  expect((await ids({ purpose: 'read', actor: {}, node: 'gpu' }))[0]).toBe('kept')
  const written = await ids({ purpose: 'write', actor: {}, node: 'gpu' })
  expect(written[0]).toBe('gold')
  expect(written).not.toContain('kept')
})
