import { runs } from '@stowage/test-support'
import { describe, expect, test } from 'vitest'
import type { RouteRequest } from '../request.ts'
import { compileRules, type Rule } from '../rules/index.ts'
import type { RouteSource, World } from '../world.ts'
import { decide } from './decide.ts'

const base = { type: 's3', isPublic: true, priority: 10, weight: 1, enabled: true } satisfies Partial<RouteSource>
const four: RouteSource[] = ['a', 'b', 'c', 'd'].map((id) => ({ ...base, id }))
const read: RouteRequest = { purpose: 'read', actor: { userId: 'ada' } }

function world(part: Partial<World> = {}): World {
  return { sources: four, health: {}, now: 1, ...part }
}

function ids(rules: readonly Rule[], request: RouteRequest, some: World): string[] {
  return decide(compileRules({ rules, defaults: false }), request, some).candidates.map(({ sourceId }) => sourceId)
}

/** How often each source comes first, over many datasets. */
function shares(rules: readonly Rule[], some: World, count: number, part: Partial<RouteRequest> = {}) {
  const set = compileRules({ rules, defaults: false })
  const counts: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const first = decide(set, { ...read, ...part, tags: [`k${i}`], actor: { userId: `u${i}` } }, some).candidates[0]
    if (first !== undefined) counts[first.sourceId] = (counts[first.sourceId] ?? 0) + 1
  }
  return counts
}

describe('weights', () => {
  test('share keys within 1%', () => {
    const count = runs(20_000, 500_000)
    const sources = four.map((source, i) => ({ ...source, weight: [1, 2, 5, 2][i] ?? 1 }))
    const counts = shares([], world({ sources }), count)
    // At small size, chance alone makes for more than 1%.
    const within = runs(0.02, 0.01)
    for (const { id, weight } of sources) {
      expect(Math.abs((counts[id] ?? 0) / count - weight / 10), `share of ${id}`).toBeLessThan(within)
    }
  })
})

describe('residency by rule', () => {
  const sources = four.map((source, i) => ({ ...source, region: i < 2 ? 'cn' : 'eu' }))
  const rules: Rule[] = [{ id: 'gdpr', when: { tag: 'personal' }, then: { residency: ['eu'] } }]

  test('keeps what it is about in its regions, and names itself', () => {
    const set = compileRules({ rules, defaults: false })
    const decision = decide(set, { ...read, tags: ['personal'] }, world({ sources }))
    expect(decision.candidates.map(({ sourceId }) => sourceId).sort()).toEqual(['c', 'd'])
    expect(decision.dropped[0]).toEqual({
      sourceId: 'a',
      filter: 'residency',
      reason: 'rule "gdpr" keeps the data from cn',
      ruleId: 'gdpr',
    })
    expect(decide(set, read, world({ sources })).candidates).toHaveLength(4)
  })

  test('two bounds are both kept, also in panic', () => {
    const both: Rule[] = [...rules, { id: 'cn-only', then: { residency: 'cn' } }]
    expect(ids(both, { ...read, tags: ['personal'] }, world({ sources }))).toEqual([])
    const health = { c: { healthy: false }, d: { healthy: false } }
    expect(ids(rules, { ...read, tags: ['personal'] }, world({ sources, health })).sort()).toEqual(['c', 'd'])
  })
})

test('a rule that speaks of some sources leaves the others alone', () => {
  const sources = four.map((source, i) => ({ ...source, labels: { class: i % 2 === 0 ? 'gold' : 'tin' } }))
  const gold: Rule = {
    id: 'gold',
    when: { userType: 'external', source: { labels: { class: 'gold' } } },
    then: { exclude: {} },
  }
  expect(ids([gold], { ...read, actor: { userType: 'external' } }, world({ sources })).sort()).toEqual(['b', 'd'])
  expect(ids([gold], read, world({ sources }))).toHaveLength(4)
  const none = { ...gold, when: { source: { labels: { class: 'silver' } } } }
  expect(decide(compileRules({ rules: [none], defaults: false }), read, world({ sources })).ruleIds).toEqual([])
})

describe('nodes', () => {
  const nodes = { gpu: { region: 'here', labels: { rack: '7' }, mounts: ['d'] } }
  const sources = four.map((source) => ({ ...source, region: source.id === 'a' ? 'here' : 'there' }))

  test('a mounted source is nearest, then the region of the node', () => {
    const decision = decide(compileRules(), { ...read, node: 'gpu' }, world({ sources, nodes }))
    expect(decision.candidates.slice(0, 2).map(({ sourceId }) => sourceId)).toEqual(['d', 'a'])
    expect(decision.candidates[0]?.reasons).toContain('mounted on the node')
    expect(decision.request).toMatchObject({ node: 'gpu', region: 'here' })
  })

  test('rules speak of nodes and their labels', () => {
    const rules: Rule[] = [{ id: 'rack', when: { nodeLabels: { rack: ['6', '7'] } }, then: { prefer: 'b' } }]
    expect(ids(rules, { ...read, node: 'gpu' }, world({ sources, nodes }))[0]).toBe('b')
    expect(ids(rules, { ...read, node: 'unknown' }, world({ sources, nodes }))[0]).not.toBe('b')
    expect(
      ids([{ id: 'n', when: { node: 'gpu' }, then: { require: 'c' } }], { ...read, node: 'gpu' }, world({ nodes })),
    ).toEqual(['c'])
  })
})

describe('spill', () => {
  const tiers = four.map((source, i) => ({ ...source, priority: i < 2 ? 10 : 20 }))
  const rules: Rule[] = [{ id: 'over', then: { spill: { healthy: 0.8 } } }]

  test('a tier that is half healthy keeps 5/8 of its keys at a threshold of 0.8; without the rule, all', () => {
    const health = { a: { healthy: false } }
    const count = runs(4000, 100_000)
    const counts = shares(rules, world({ sources: tiers, health }), count)
    expect(Math.abs((counts['b'] ?? 0) / count - 0.625)).toBeLessThan(runs(0.04, 0.01))
    expect(shares([], world({ sources: tiers, health }), 100)).toEqual({ b: 100 })
    expect(Object.keys(shares(rules, world({ sources: tiers }), 200)).sort()).toEqual(['a', 'b'])
  })

  test('a busy source is passed over while others can, preferred or not', () => {
    const full: Rule[] = [{ id: 'full', then: { prefer: 'a', spill: { load: 8 } } }]
    expect(ids(full, read, world({ load: { a: 7 } }))[0]).toBe('a')
    const decision = decide(compileRules({ rules: full, defaults: false }), read, world({ load: { a: 8 } }))
    expect(decision.candidates.at(-1)).toMatchObject({ sourceId: 'a', lost: { component: 'spill', ruleId: 'full' } })
    const load = { a: 8, b: 9, c: 8, d: 100 }
    expect(ids(full, read, world({ load }))[0]).toBe('a')
  })
})

describe('two choices', () => {
  const rules: Rule[] = [{ id: 'two', then: { choose: 'two' } }]

  test('keep the load even: the busiest of many calls is hardly busier than the rest', () => {
    const load: Record<string, number> = {}
    const set = compileRules({ rules, defaults: false })
    const sources = Array.from({ length: 10 }, (_, i) => ({ ...base, id: `s${i}` }))
    const count = 2000
    for (let i = 0; i < count; i++) {
      const first = decide(set, { ...read, draw: i / count }, world({ sources, load })).candidates[0]?.sourceId ?? ''
      load[first] = (load[first] ?? 0) + 1
    }
    expect(Math.max(...Object.values(load)) - Math.min(...Object.values(load))).toBeLessThanOrEqual(6)
  })

  test('say which were drawn, and keep to what counts more', () => {
    const sources = [...four, { ...base, id: 'later', priority: 20 }]
    const load = { a: 9, b: 9, c: 9, d: 9 }
    const set = compileRules({ rules, defaults: false })
    const decision = decide(set, { ...read, draw: 0.5 }, world({ sources, load }))
    expect(decision.candidates.map(({ vector }) => vector.load)).toEqual([0, 1, 2, 2, 0])
    expect(decision.candidates[4]?.sourceId).toBe('later')
  })
})

describe('sessions', () => {
  test('stay with their source unless a rule, health or a filter speaks against it', () => {
    for (const stayWith of ['a', 'b', 'c', 'd']) {
      const asked = { ...read, stayWith }
      expect(ids([], asked, world())[0]).toBe(stayWith)
      expect(ids([{ id: 'r', then: { exclude: stayWith } }], asked, world())).not.toContain(stayWith)
      const other = stayWith === 'a' ? 'b' : 'a'
      expect(ids([{ id: 'r', then: { prefer: other } }], asked, world())[0]).toBe(other)
      expect(ids([], asked, world({ health: { [stayWith]: { healthy: true, tier: 1 } } }))[0]).not.toBe(stayWith)
    }
    expect(ids([], { ...read, stayWith: 'gone' }, world())).toEqual(ids([], read, world()))
  })
})

describe('a source on trial', () => {
  test('takes the part of the keys that it admits, the same keys each time, and more of them as it admits more', () => {
    const sources = [
      { ...base, id: 'back', priority: 1 },
      { ...base, id: 'other' },
    ]
    const set = compileRules({ defaults: false })
    const taken = (admit: number): string[] => {
      const health = { back: { healthy: true, admit } }
      return Array.from({ length: 1000 }, (_, i) => `u${i}`).filter(
        (userId) =>
          decide(set, { ...read, actor: { userId } }, world({ sources, health })).candidates[0]?.sourceId === 'back',
      )
    }
    const [tenth, half] = [taken(0.1), taken(0.5)]
    expect(Math.abs(tenth.length - 100)).toBeLessThan(40)
    expect(Math.abs(half.length - 500)).toBeLessThan(80)
    expect(half).toEqual(expect.arrayContaining(tenth))
    expect(taken(1)).toHaveLength(1000)
  })
})

test('what is not checked against a digest is never read from an unhealthy source', () => {
  const health = Object.fromEntries(four.map(({ id }) => [id, { healthy: false }]))
  const set = compileRules()
  expect(decide(set, read, world({ health })).panic).toBe(true)
  expect(decide(set, { ...read, checked: false }, world({ health }))).toMatchObject({ panic: false, candidates: [] })
})

test('cost is that of reading for reads and of keeping for writes', () => {
  const sources = [
    { ...base, id: 'a', costPerGbRead: 1, costPerGbStored: 2 },
    { ...base, id: 'b', costPerGbRead: 2, costPerGbStored: 1 },
  ]
  expect(ids([], read, world({ sources }))).toEqual(['a', 'b'])
  expect(ids([], { ...read, purpose: 'write' }, world({ sources }))).toEqual(['b', 'a'])
})
