import { StowageError } from '@stowage/core'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileRules } from './compile.ts'
import { testOf } from './condition.ts'
import type { Facts } from './facts.ts'
import type { Condition } from './rule.ts'

function refusal(rules: unknown): StowageError {
  try {
    compileRules(rules)
  } catch (error) {
    if (StowageError.isInstance(error)) return error
    throw error
  }
  return expect.fail('the rules were taken')
}

const facts: Facts = {
  purpose: 'read',
  userType: 'internal',
  userId: 'ada',
  workspaceId: 'w7',
  region: 'cn-sz',
  node: 'gpu-1',
  nodeLabels: { rack: '7' },
  datasetId: 'd',
  tags: ['hot', 'public'],
  size: 100,
}

function applies(when: Condition, to: Partial<Facts> = {}): boolean {
  return (
    compileRules({ rules: [{ id: 'r', when, then: { prefer: ['x'] } }], defaults: false }).match({ ...facts, ...to })
      .length === 1
  )
}

describe('compileRules', () => {
  test('takes nothing, options or a list', () => {
    const defaults = compileRules()
    expect(defaults.rules.map(({ id }) => id)).toEqual([
      'default-external-write',
      'default-internal-read',
      'default-internal-write',
    ])
    expect(compileRules({}).hash).toBe(defaults.hash)
    expect(compileRules([]).hash).toBe(defaults.hash)
    expect(compileRules({ defaults: false }).rules).toEqual([])
  })

  test('a rule takes the place of the default one of its id, also to switch it off', () => {
    const set = compileRules([{ id: 'default-internal-write', enabled: false, then: { prefer: ['x'] } }])
    expect(set.rules.map(({ id }) => id)).toEqual(['default-external-write', 'default-internal-read'])
  })

  test('orders by priority, then by id', () => {
    const rule = (id: string, priority?: number) => ({
      id,
      ...(priority === undefined ? {} : { priority }),
      then: { prefer: ['x'] },
    })
    const set = compileRules({ rules: [rule('b'), rule('late', 101), rule('a'), rule('first', -5)], defaults: false })
    expect(set.rules.map(({ id }) => id)).toEqual(['first', 'a', 'b', 'late'])
  })

  test('the hash says whether two sets do the same', () => {
    const a = compileRules([{ id: 'r', when: { region: 'x', userId: 'u' }, then: { prefer: 'lan' } }])
    const same = compileRules({
      rules: [{ then: { prefer: ['lan'] }, when: { userId: ['u'], region: ['x'] }, id: 'r', priority: 100 }],
    })
    expect(a.hash).toMatch(/^[0-9a-f]{16}$/)
    expect(same.hash).toBe(a.hash)
    expect(compileRules([{ id: 'r', when: { region: 'y', userId: 'u' }, then: { prefer: 'lan' } }]).hash).not.toBe(
      a.hash,
    )
    expect(compileRules({ panic: 'never' }).hash).not.toBe(compileRules().hash)
  })

  test.for([
    [[{ id: 'x', when: { regionn: 'a' }, then: { prefer: 'b' } }], 'rules[0].when.regionn', /Rule "x": when\.regionn/],
    [[{ id: 'x', then: { prefer: [1] } }], 'rules[0].then.prefer[0]', /Rule "x": then\.prefer\[0\]/],
    [[{ id: 'x', then: { prefer: { typ: 'oss' } } }], 'rules[0].then.prefer', /Rule "x": then\.prefer.*typ/],
    [[{ id: 'x', then: { require: { type: 'ftp' } } }], 'rules[0].then.require.type[0]', /Rule "x"/],
    [
      [
        { id: 'ok', then: { prefer: 'a' } },
        { id: 'y', then: {} },
      ],
      'rules[1].then',
      /Rule "y": then: has no effect/,
    ],
    [[{ id: 'x' }], 'rules[0].then', /Rule "x": then/],
    [[{ then: { prefer: 'a' } }], 'rules[0].id', /Rule number 1: id/],
    [
      [{ id: 'x', when: { all: [{ purpose: 'delete' }] }, then: { prefer: 'a' } }],
      'rules[0].when.all[0].purpose[0]',
      /Rule "x"/,
    ],
    [[{ id: 'x', when: { userId: [] }, then: { prefer: 'a' } }], 'rules[0].when.userId', /Rule "x"/],
    [[{ id: 'x', then: { weight: { a: -1 } } }], 'rules[0].then.weight.a', /Rule "x"/],
    [[{ id: 'x', then: { spill: { healthy: 80 } } }], 'rules[0].then.spill.healthy', /Rule "x": then\.spill\.healthy/],
    [[{ id: 'x', then: { choose: 'best' } }], 'rules[0].then.choose', /Rule "x": then\.choose/],
    [[{ id: 'x', then: { residency: [] } }], 'rules[0].then.residency', /Rule "x": then\.residency/],
    [
      [{ id: 'x', when: { any: [{ source: { label: {} } }] }, then: { prefer: 'a' } }],
      'rules[0].when.any[0].source.label',
      /Rule "x": when\.any\[0\]\.source\.label: there is no such field/,
    ],
    [[{ id: 'x', priority: 'high', then: { prefer: 'a' } }], 'rules[0].priority', /Rule "x": priority/],
    [
      [
        { id: 'x', then: { prefer: 'a' } },
        { id: 'x', then: { prefer: 'b' } },
      ],
      'rules[1].id',
      /two rules/,
    ],
    [['nonsense'], 'rules[0]', /Rule number 1/],
    [{ rulez: [] }, 'rulez', /rulez/],
    [{ panic: 'always' }, 'panic', /panic/],
    ['nonsense', '', /the whole/],
    [null, '', /the whole/],
  ] as const)('refuses %j and names the place', ([rules, field, message]) => {
    const error = refusal(rules)
    expect(error).toMatchObject({ code: 'configuration', field })
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('\n')
  })

  test('refuses what is nested without end', () => {
    const when: Condition = {}
    when.not = when
    expect(refusal([{ id: 'x', when, then: { prefer: 'a' } }]).code).toBe('configuration')
  })
})

describe('conditions', () => {
  test('an empty one always holds, and every field must', () => {
    expect(applies({})).toBe(true)
    expect(
      applies({
        purpose: 'read',
        userType: 'internal',
        userId: 'ada',
        workspaceId: 'w7',
        region: 'cn-sz',
        datasetId: 'd',
        tag: 'hot',
      }),
    ).toBe(true)
    for (const wrong of [
      { purpose: 'write' },
      { userType: 'external' },
      { userId: 'bob' },
      { workspaceId: 'w8' },
      { region: 'cn-hz' },
      { datasetId: 'e' },
      { tag: 'cold' },
    ] satisfies Condition[]) {
      expect(applies(wrong), JSON.stringify(wrong)).toBe(false)
    }
  })

  test('one of several values is enough', () => {
    expect(applies({ userId: ['bob', 'ada'], tag: ['cold', 'public'] })).toBe(true)
    expect(applies({ userId: ['bob', 'eve'] })).toBe(false)
  })

  test('a region that is not known can be asked for', () => {
    expect(applies({ region: null }, { region: undefined })).toBe(true)
    expect(applies({ region: [null, 'cn-sz'] })).toBe(true)
    expect(applies({ region: null })).toBe(false)
    expect(applies({ region: 'cn-sz' }, { region: undefined })).toBe(false)
  })

  test('sizes are bounds that belong to the range, and an unknown size fits none', () => {
    expect(applies({ minSize: 100, maxSize: 100 })).toBe(true)
    expect(applies({ minSize: 101 })).toBe(false)
    expect(applies({ maxSize: 99 })).toBe(false)
    expect(applies({ minSize: 0 }, { size: undefined })).toBe(false)
    expect(applies({ maxSize: 1e15 }, { size: undefined })).toBe(false)
  })

  test('all, any and not', () => {
    expect(applies({ any: [{ userId: 'bob' }, { region: 'cn-sz' }] })).toBe(true)
    expect(applies({ any: [{ userId: 'bob' }, { region: 'cn-hz' }] })).toBe(false)
    expect(applies({ all: [{ userId: 'ada' }, { not: { region: 'cn-hz' } }] })).toBe(true)
    expect(applies({ not: { tag: 'hot' } })).toBe(false)
    expect(applies({ not: { userId: 'ada' } }, { userId: undefined })).toBe(true)
  })
})

const name = fc.constantFrom('a', 'b', 'c')
const oneOrSome = <T>(value: fc.Arbitrary<T>) => fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 }))
const fields = {
  purpose: oneOrSome(fc.constantFrom('read' as const, 'write' as const, 'backup' as const)),
  userType: oneOrSome(fc.constantFrom('external' as const, 'internal' as const)),
  userId: oneOrSome(name),
  workspaceId: oneOrSome(name),
  region: oneOrSome(fc.option(name)),
  datasetId: oneOrSome(name),
  tag: oneOrSome(name),
  node: oneOrSome(name),
  nodeLabels: fc.dictionary(fc.constantFrom('rack', 'gpu'), oneOrSome(name), { minKeys: 1, noNullPrototype: true }),
  minSize: fc.constantFrom(0, 1, 10),
  maxSize: fc.constantFrom(0, 4, 10, 100),
}
/** Conditions of at most two fields (more would hardly ever hold), nested so many levels deep. */
function conditions(levels: number): fc.Arbitrary<Condition> {
  const inner = levels === 0 ? undefined : conditions(levels - 1)
  const nested = inner && {
    all: fc.array(inner, { minLength: 1, maxLength: 2 }),
    any: fc.array(inner, { minLength: 1, maxLength: 3 }),
    not: inner,
  }
  const all = { ...fields, ...nested }
  return fc.subarray(Object.entries(all), { maxLength: 2 }).chain((chosen) => {
    const record = Object.fromEntries(chosen) as Record<string, fc.Arbitrary<unknown>>
    return fc.record(record, { noNullPrototype: true }) as fc.Arbitrary<Condition>
  })
}

const anyFacts: fc.Arbitrary<Facts> = fc.record({
  purpose: fc.constantFrom('read', 'write', 'backup', 'repair'),
  userType: fc.constantFrom('external', 'internal'),
  userId: fc.option(name, { nil: undefined }),
  workspaceId: fc.option(name, { nil: undefined }),
  region: fc.option(name, { nil: undefined }),
  datasetId: fc.option(name, { nil: undefined }),
  node: fc.option(name, { nil: undefined }),
  nodeLabels: fc.option(fc.dictionary(fc.constantFrom('rack', 'gpu'), name, { noNullPrototype: true }), {
    nil: undefined,
  }),
  tags: fc.uniqueArray(name),
  size: fc.constantFrom(undefined, 0, 1, 5, 8, 50),
})

test('the index finds what looking at every rule would find, in the same order', () => {
  let matched = 0
  fc.assert(
    fc.property(
      fc.array(conditions(2), { maxLength: 12 }),
      fc.array(anyFacts, { minLength: 1, maxLength: 8 }),
      (some, asked) => {
        const rules = some.map((when, i) => ({ id: `r${i}`, priority: i % 3, when, then: { prefer: ['x'] } }))
        const set = compileRules({ rules, defaults: false })
        for (const each of asked) {
          const naive = set.rules.filter((rule) => testOf(rule.when)?.(each) ?? true).map(({ id }) => id)
          expect(set.match(each).map(({ id }) => id)).toEqual(naive)
          matched += naive.length
        }
      },
    ),
    { numRuns: runs(500, 20_000), seed: testSeed() },
  )
  // The comparison would mean little if hardly any rule ever applied.
  expect(matched).toBeGreaterThan(100)
})

test('rules that cannot apply are not looked at', () => {
  const rules = Array.from({ length: 1000 }, (_, i) => ({
    id: `r${i}`,
    when: { purpose: 'read', region: 'cn-sz', any: [{ workspaceId: `w${i}` }, { workspaceId: `x${i}` }] },
    then: { prefer: ['x'] },
  }))
  const set = compileRules({ rules, defaults: false })
  let looked = 0
  const watched = new Proxy(facts, {
    get: (target, field) => {
      if (field === 'purpose') looked++
      return Reflect.get(target, field)
    },
  })
  expect(set.match(watched).map(({ id }) => id)).toEqual(['r7'])
  expect(looked).toBeLessThan(5)
})
