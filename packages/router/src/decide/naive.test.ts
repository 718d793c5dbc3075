import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashText, toUnit } from '../hash/index.ts'
import type { RouteRequest } from '../request.ts'
import {
  type Condition,
  compileRules,
  type Effect,
  type Rule,
  ruleSetData,
  type SourceMatch,
  type SourceSelector,
} from '../rules/index.ts'
import { distanceBetween, type RouteSource, type World } from '../world.ts'
import { decide } from './decide.ts'
import { rendezvous } from './rendezvous.ts'

/*
 * The router as one would write it without a thought of speed: every rule is asked of every source, from the rules as they were written
 * down. It shares nothing with the real one but the hash. The real one must agree with it.
 */

interface Asked {
  request: RouteRequest
  world: World
}

const some = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T])

function meets(match: SourceMatch, source: RouteSource, region: string | undefined): boolean {
  if (match.id !== undefined && !some(match.id).includes(source.id)) return false
  if (match.type !== undefined && !some(match.type).includes(source.type)) return false
  if (match.region !== undefined && !some(match.region).some((each) => each === source.region)) return false
  if (match.isPublic !== undefined && match.isPublic !== source.isPublic) return false
  if (match.sameRegion !== undefined) {
    if (match.sameRegion !== (source.region !== undefined && source.region === region)) return false
  }
  for (const [name, values] of Object.entries(match.labels ?? {})) {
    if (!some(values).some((value) => source.labels?.[name] === value)) return false
  }
  if (match.all?.some((part) => !meets(part, source, region))) return false
  if (match.any !== undefined && !match.any.some((part) => meets(part, source, region))) return false
  return match.not === undefined || !meets(match.not, source, region)
}

function applies(when: Condition, source: RouteSource | undefined, { request, world }: Asked): boolean {
  const { actor } = request
  const node = request.node === undefined ? undefined : world.nodes?.[request.node]
  const region = actor.region ?? node?.region
  if (when.purpose !== undefined && !some(when.purpose).includes(request.purpose)) return false
  if (when.userType !== undefined && !some(when.userType).includes(actor.userType ?? 'internal')) return false
  if (when.userId !== undefined && !some(when.userId).some((id) => id === actor.userId)) return false
  if (when.workspaceId !== undefined && !some(when.workspaceId).some((id) => id === actor.workspaceId)) return false
  if (when.region !== undefined && !some(when.region).includes(region ?? null)) return false
  if (when.node !== undefined && !some(when.node).some((id) => id === request.node)) return false
  for (const [name, values] of Object.entries(when.nodeLabels ?? {})) {
    if (!some(values).some((value) => node?.labels?.[name] === value)) return false
  }
  if (when.datasetId !== undefined && !some(when.datasetId).some((id) => id === request.datasetId)) return false
  if (when.tag !== undefined && !some(when.tag).some((tag) => request.tags?.includes(tag))) return false
  if (when.minSize !== undefined && !((request.size ?? -1) >= when.minSize)) return false
  if (when.maxSize !== undefined && !((request.size ?? Number.POSITIVE_INFINITY) <= when.maxSize)) return false
  if (when.source !== undefined && (source === undefined || !meets(when.source, source, region))) return false
  if (when.all?.some((part) => !applies(part, source, { request, world }))) return false
  if (when.any !== undefined && !when.any.some((part) => applies(part, source, { request, world }))) return false
  return when.not === undefined || !applies(when.not, source, { request, world })
}

const mentionsSources = (when: Condition): boolean => JSON.stringify(when).includes('"source":')

function naive(rules: readonly Rule[], asked: Asked): { ids: string[]; ruleIds: string[]; panic: boolean } {
  const { request, world } = asked
  const { actor, purpose } = request
  const node = request.node === undefined ? undefined : world.nodes?.[request.node]
  const region = actor.region ?? node?.region
  const ordered = rules
    .filter(({ enabled }) => enabled !== false)
    .sort((a, b) => (a.priority ?? 100) - (b.priority ?? 100) || (a.id < b.id ? -1 : 1))
  const on = (rule: Rule, source: RouteSource): boolean => applies(rule.when ?? {}, source, asked)
  const applied = ordered.filter((rule) =>
    mentionsSources(rule.when ?? {})
      ? world.sources.some((source) => on(rule, source))
      : applies(rule.when ?? {}, undefined, asked),
  )
  const place = (selector: SourceSelector, source: RouteSource): number => {
    if (typeof selector === 'string') return source.id === selector ? 0 : 1
    if ('length' in selector) return selector.includes(source.id) ? selector.indexOf(source.id) : selector.length
    return meets(selector, source, region) ? 0 : 1
  }
  const last = (selector: SourceSelector): number =>
    typeof selector === 'object' && 'length' in selector ? selector.length : 1
  const selects = (selector: SourceSelector, source: RouteSource): boolean => place(selector, source) < last(selector)
  const says = (source: RouteSource, kind: 'permit' | 'exclude' | 'require'): boolean[] =>
    applied.flatMap((rule) => {
      const selector = rule.then[kind]
      return selector === undefined || !on(rule, source) ? [] : [selects(selector, source)]
    })
  const places = (source: RouteSource, kind: 'prefer' | 'tieBreak'): number[] =>
    applied.flatMap((rule) => {
      const selector = rule.then[kind]
      if (selector === undefined) return []
      return [on(rule, source) ? place(selector, source) : last(selector)]
    })
  const decides = <K extends keyof Effect>(kind: K): Effect[K] | undefined =>
    applied.find(({ then }) => then[kind] !== undefined)?.then[kind]
  const weight = (source: RouteSource): number =>
    applied.find((rule) => rule.then.weight?.[source.id] !== undefined && on(rule, source))?.then.weight?.[source.id] ??
    source.weight

  const reads = purpose === 'read' || purpose === 'repair'
  const own = purpose === 'backup' || purpose === 'repair'
  const serves = (source: RouteSource): boolean =>
    source.enabled &&
    !request.excludeSources?.includes(source.id) &&
    (own || source.isPublic || actor.userType !== 'external' || says(source, 'permit').includes(true)) &&
    (request.residency === undefined || request.residency.some((each) => each === source.region)) &&
    applied.every(
      (rule) =>
        rule.then.residency === undefined ||
        !on(rule, source) ||
        some(rule.then.residency).some((each) => each === source.region),
    ) &&
    (reads || source.writable !== false) &&
    (reads || source.room === undefined || (source.room > 0 && source.room >= (request.size ?? 0))) &&
    !says(source, 'exclude').includes(true) &&
    !says(source, 'require').includes(false)
  const able = world.sources.filter(serves)
  const well = able.filter(({ id }) => world.health[id]?.healthy !== false)
  const panic = well.length === 0 && able.length > 0 && reads && request.checked !== false
  const usable = panic ? able : well

  const key = hashText(request.datasetId ?? actor.userId ?? actor.workspaceId ?? '')
  const two = decides('choose') === 'two'
  const shareKey = two ? hashText(String(request.draw ?? 0), key) : key
  const spill = decides('spill')
  const busy = (source: RouteSource): number => world.load?.[source.id] ?? 0
  const distance = (source: RouteSource): number =>
    node?.mounts?.includes(source.id) ? -1 : distanceBetween(world.regions, region, source.region)
  const tier = (source: RouteSource): string => `${places(source, 'prefer')}/${distance(source)}/${source.priority}`
  const spills = (source: RouteSource): boolean => {
    if (spill?.load !== undefined && busy(source) >= spill.load) return true
    if (spill?.healthy === undefined) return false
    const sum = (all: RouteSource[]): number =>
      all.filter((each) => tier(each) === tier(source)).reduce((total, each) => total + weight(each), 0)
    const rank = usable.concat(panic ? [] : able.filter((each) => !well.includes(each)))
    const before = rank.filter((each) => lexical(places(each, 'prefer'), places(source, 'prefer')) < 0).length
    const name = `${before}/${distance(source)}/${source.priority}`
    return toUnit(hashText(name, hashText('spill', key))) >= sum(usable) / (sum(panic ? usable : able) * spill.healthy)
  }
  const health = ({ id }: RouteSource): number => {
    const { tier: level = 0, admit = 1 } = world.health[id] ?? {}
    return toUnit(hashText(id, hashText('admit', key))) < admit ? level : level + 1
  }
  const before = (source: RouteSource): (number | number[])[] => {
    const head = [spills(source) ? 1 : 0, places(source, 'prefer'), health(source)]
    const session = request.stayWith === undefined || request.stayWith === source.id ? 0 : 1
    const near = [distance(source), places(source, 'tieBreak')]
    const { priority } = source
    const middle = reads ? [session, ...near, priority] : [session, priority, ...near]
    return [...head, ...middle, (reads ? source.costPerGbRead : source.costPerGbStored) ?? 0]
  }
  const sorted = usable
    .map((source) => ({ source, before: before(source), share: rendezvous(shareKey, source.id, weight(source)) }))
    .sort((a, b) => lexical(a.before, b.before) || a.share - b.share || (a.source.id < b.source.id ? -1 : 1))
  if (two) {
    for (let i = 0; i < sorted.length - 1; i++) {
      const [a, b] = [sorted[i], sorted[i + 1]]
      const starts = i === 0 || lexical(sorted[i - 1]?.before ?? [], a?.before ?? []) !== 0
      if (a === undefined || b === undefined || !starts || lexical(a.before, b.before) !== 0) continue
      const full = ({ source }: typeof a): number => busy(source) / (weight(source) || Number.MIN_VALUE)
      if (full(b) < full(a)) [sorted[i], sorted[i + 1]] = [b, a]
    }
  }
  return { ids: sorted.map(({ source }) => source.id), ruleIds: applied.map(({ id }) => id), panic }
}

function lexical(a: readonly (number | readonly number[])[], b: readonly (number | readonly number[])[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0
    const sign = typeof x === 'number' || typeof y === 'number' ? Number(x) - Number(y) : lexical(x, y)
    if (sign !== 0) return sign
  }
  return 0
}

const word = fc.constantFrom('a', 'b', 'c')
const region = fc.constantFrom('north', 'south', 'east')
const sourceId = fc.constantFrom('s0', 's1', 's2', 's3', 's4', 's33', 's34')
const oneOrSome = <T>(value: fc.Arbitrary<T>) => fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 }))

/** Records of at most so many of the fields: more would hardly ever hold. */
function few<T>(fields: Record<string, fc.Arbitrary<unknown>>, most: number, least = 0): fc.Arbitrary<T> {
  return fc
    .subarray(Object.entries(fields), { minLength: least, maxLength: most })
    .chain((chosen) => fc.record(Object.fromEntries(chosen), { noNullPrototype: true }) as fc.Arbitrary<T>)
}

function matches(levels: number): fc.Arbitrary<SourceMatch> {
  const inner = levels === 0 ? undefined : matches(levels - 1)
  return few<SourceMatch>(
    {
      id: oneOrSome(sourceId),
      type: oneOrSome(fc.constantFrom('s3', 'oss')),
      region: oneOrSome(region),
      isPublic: fc.boolean(),
      sameRegion: fc.boolean(),
      labels: fc.dictionary(fc.constantFrom('class', 'rack'), oneOrSome(word), { minKeys: 1, noNullPrototype: true }),
      ...(inner && { all: fc.array(inner, { minLength: 1, maxLength: 2 }) }),
      ...(inner && { any: fc.array(inner, { minLength: 1, maxLength: 2 }), not: inner }),
    },
    2,
  )
}

function conditions(levels: number): fc.Arbitrary<Condition> {
  const inner = levels === 0 ? undefined : conditions(levels - 1)
  return few<Condition>(
    {
      purpose: oneOrSome(fc.constantFrom('read', 'write', 'backup', 'repair')),
      userType: fc.constantFrom('external', 'internal'),
      userId: oneOrSome(word),
      region: oneOrSome(fc.option(region)),
      node: oneOrSome(fc.constantFrom('n1', 'n2')),
      nodeLabels: fc.dictionary(fc.constant('gpu'), oneOrSome(word), { minKeys: 1, noNullPrototype: true }),
      tag: oneOrSome(word),
      minSize: fc.constantFrom(1, 100),
      maxSize: fc.constantFrom(10, 1000),
      source: matches(1),
      ...(inner && { all: fc.array(inner, { minLength: 1, maxLength: 2 }) }),
      ...(inner && { any: fc.array(inner, { minLength: 1, maxLength: 2 }), not: inner }),
    },
    2,
  )
}

const selectors: fc.Arbitrary<SourceSelector> = fc.oneof(
  sourceId,
  fc.uniqueArray(sourceId, { minLength: 1, maxLength: 3 }),
  matches(1),
)
const effects = few<Effect>(
  {
    prefer: selectors,
    tieBreak: selectors,
    require: fc.oneof({ weight: 1, arbitrary: selectors }, { weight: 3, arbitrary: fc.constant({}) }),
    exclude: selectors,
    permit: selectors,
    weight: fc.dictionary(sourceId, fc.constantFrom(0, 1, 3), { minKeys: 1, noNullPrototype: true }),
    residency: oneOrSome(region),
    spill: few({ healthy: fc.constantFrom(0.5, 1), load: fc.constantFrom(2, 5) }, 2, 1),
    choose: fc.constantFrom('stable', 'two'),
  },
  2,
  1,
)
const rulesOf: fc.Arbitrary<Rule[]> = fc
  .array(
    fc.record(
      { priority: fc.constantFrom(1, 2, 3), enabled: fc.boolean(), when: conditions(2), then: effects },
      { requiredKeys: ['then'], noNullPrototype: true },
    ),
    { maxLength: 12 },
  )
  .map((list) => list.map((rule, i) => ({ id: `r${i}`, ...rule })))

const sourceFields = fc.record(
  {
    type: fc.constantFrom('s3' as const, 'oss' as const),
    region,
    isPublic: fc.boolean(),
    priority: fc.constantFrom(1, 2),
    weight: fc.constantFrom(0, 1, 5),
    enabled: fc.constantFrom(true, true, true, false),
    writable: fc.constantFrom(true, true, false),
    room: fc.constantFrom(-3, 0, 7, 1000, 1000),
    labels: fc.dictionary(fc.constantFrom('class', 'rack'), word, { noNullPrototype: true }),
    costPerGbRead: fc.constantFrom(0, 1),
    costPerGbStored: fc.constantFrom(0, 1),
  },
  { requiredKeys: ['type', 'isPublic', 'priority', 'weight', 'enabled'], noNullPrototype: true },
)
const worlds: fc.Arbitrary<World> = fc.record(
  {
    // At times more than one chunk of 32.
    sources: fc
      .oneof(
        { weight: 9, arbitrary: fc.array(sourceFields, { maxLength: 6 }) },
        { weight: 1, arbitrary: fc.array(sourceFields, { minLength: 33, maxLength: 40 }) },
      )
      .map((all) => all.map((fields, i): RouteSource => ({ id: `s${i}`, ...fields }))),
    health: fc.dictionary(
      sourceId,
      fc.record(
        { healthy: fc.boolean(), tier: fc.constantFrom(0, 1), admit: fc.constantFrom(0.3, 1) },
        { requiredKeys: ['healthy'], noNullPrototype: true },
      ),
      { noNullPrototype: true },
    ),
    load: fc.dictionary(sourceId, fc.constantFrom(0, 1, 3, 9), { noNullPrototype: true }),
    nodes: fc.constant({
      n1: { region: 'north', labels: { gpu: 'a' }, mounts: ['s1'] },
      n2: { labels: { gpu: 'b' } },
    }),
    regions: fc.constant({ distances: { north: { south: 10 }, east: { north: 5 } }, default: 50 }),
    now: fc.constant(1),
  },
  { requiredKeys: ['sources', 'health', 'nodes', 'now'], noNullPrototype: true },
)
const requests: fc.Arbitrary<RouteRequest> = fc.record(
  {
    purpose: fc.constantFrom('read', 'write', 'backup', 'repair'),
    actor: fc.record(
      { userType: fc.constantFrom('external', 'internal'), region, userId: word },
      { requiredKeys: [], noNullPrototype: true },
    ),
    node: fc.constantFrom('n1', 'n2', 'n3'),
    tags: fc.uniqueArray(word),
    size: fc.constantFrom(0, 5, 50, 500),
    excludeSources: fc.uniqueArray(sourceId, { maxLength: 2 }),
    residency: fc.uniqueArray(region, { minLength: 1 }),
    stayWith: sourceId,
    draw: fc.constantFrom(0, 0.25, 0.5),
    checked: fc.boolean(),
  },
  { requiredKeys: ['purpose', 'actor'], noNullPrototype: true },
)

const options = { numRuns: runs(1500, 50_000), seed: testSeed() }

test('the indexed router decides as the naive one', () => {
  let candidates = 0
  let applied = 0
  fc.assert(
    fc.property(rulesOf, worlds, fc.array(requests, { minLength: 1, maxLength: 4 }), (rules, world, several) => {
      const set = compileRules({ rules, defaults: false })
      for (const request of several) {
        const decision = decide(set, request, world)
        const ids = decision.candidates.map(({ sourceId: id }) => id)
        expect({ ids, ruleIds: decision.ruleIds, panic: decision.panic }).toEqual(naive(rules, { request, world }))
        candidates += ids.length
        applied += decision.ruleIds.length
      }
    }),
    options,
  )
  // The comparison would mean little if hardly anything ever applied or was left.
  expect(applied).toBeGreaterThan(options.numRuns)
  expect(candidates).toBeGreaterThan(options.numRuns)
})

test('no rules bring forth a source that is disabled, unhealthy outside panic, not permitted or out of bounds', () => {
  fc.assert(
    fc.property(rulesOf, worlds, requests, (rules, world, request) => {
      const set = compileRules({ rules, defaults: false })
      const decision = decide(set, request, world)
      const own = request.purpose === 'backup' || request.purpose === 'repair'
      const permits = new Set(rules.filter(({ then }) => then.permit !== undefined).map(({ id }) => id))
      for (const { sourceId: id } of decision.candidates) {
        const source = world.sources.find((each) => each.id === id)
        expect(source?.enabled).toBe(true)
        expect(request.excludeSources ?? []).not.toContain(id)
        if (!decision.panic) expect(world.health[id]?.healthy).not.toBe(false)
        else expect(request.checked ?? true).toBe(true)
        if (request.residency !== undefined) expect(request.residency).toContain(source?.region)
        if (request.actor.userType === 'external' && !own && source?.isPublic === false) {
          expect(decision.ruleIds.some((ruleId) => permits.has(ruleId))).toBe(true)
        }
      }
      const all = [...decision.candidates, ...decision.dropped].map((each) => each.sourceId)
      expect(all.sort()).toEqual(world.sources.map((each) => each.id).sort())
      const [first, ...others] = decision.candidates
      expect(first?.lost).toBeUndefined()
      expect(others.every(({ lost }) => lost !== undefined)).toBe(true)
      expect(JSON.parse(JSON.stringify(decision))).toEqual(decision)
    }),
    options,
  )
})

test('a set that was kept as data has the same hash and decides the same', () => {
  fc.assert(
    fc.property(rulesOf, worlds, requests, (rules, world, request) => {
      const set = compileRules(rules)
      const again = compileRules(JSON.parse(JSON.stringify(ruleSetData(set))))
      expect(again.hash).toBe(set.hash)
      expect(decide(again, request, world)).toEqual(decide(set, request, world))
    }),
    { ...options, numRuns: runs(200, 5000) },
  )
})
