import { expect, test } from 'vitest'
import { compileRules } from '../rules/index.ts'
import type { RouteSource, World } from '../world.ts'
import { decide } from './decide.ts'
import { explain } from './explain.ts'

const base = { type: 's3', isPublic: true, priority: 10, weight: 1, enabled: true } satisfies Partial<RouteSource>
const world: World = {
  sources: [
    { ...base, id: 'near', region: 'here' },
    { ...base, id: 'far', region: 'there' },
    { ...base, id: 'off', enabled: false },
  ],
  health: {},
  regions: { distances: { here: { there: 700 } } },
  now: 1,
}

test('shows the request, every component, why others lost, what was dropped, and the rules', () => {
  const rules = compileRules([{ id: 'my-rule', then: { tieBreak: ['near'] } }])
  const text = explain(
    decide(rules, { purpose: 'read', actor: { userId: 'ada', workspaceId: 'w7', region: 'here' } }, world),
  )
  const lines = text.split('\n')
  expect(lines[0]).toBe('read for internal user ada of workspace w7 in here')
  expect(lines[2]).toMatch(/^# +source +distance +tieBreak +priority +share +lost by +reasons$/)
  expect(lines[3]).toMatch(/^1 +near .*in the same region \(here\); rule "my-rule" breaks a tie for it; priority 10$/)
  expect(lines[4]).toMatch(/^2 +far .*700.*distance: farther away +700 from here; priority 10$/)
  expect(text).toMatch(/^off +enabled +it is disabled$/m)
  expect(text).toMatch(/^rules: my-rule, default-internal-read \(set [0-9a-f]{16}\)$/m)
})

test('each component has words for losing by it', () => {
  const lost = (
    other: Partial<RouteSource>,
    health: World['health'] = {},
    rule: object = { tieBreak: ['none'] },
  ): string => {
    const sources = [
      { ...base, id: 'a' },
      { ...base, id: 'b', ...other },
    ]
    const decision = decide(
      compileRules([{ id: 'r', then: rule }]),
      { purpose: 'read', actor: {} },
      { sources, health, now: 1 },
    )
    return explain(decision).split('\n')[4] ?? ''
  }
  expect(lost({}, {}, { prefer: ['a'] })).toContain('preference: a rule prefers the first (rule "r")')
  expect(lost({}, { b: { healthy: true, tier: 1, code: 'throttled' } })).toMatch(
    /health: less healthy +health tier 1 \(throttled\)/,
  )
  expect(lost({ priority: 20 })).toContain('priority: later in priority')
  expect(lost({}, {}, { tieBreak: ['a'] })).toContain('tieBreak: a rule breaks the tie (rule "r")')
  expect(lost({}, { b: { healthy: true, latencyMs: 900 } })).toContain('latency: slower')
  expect(lost({ costPerGbRead: 1 })).toContain('cost: dearer')
  expect(lost({ weight: 0 })).toContain('share: equal; shared by weight')
  expect(lost({ weight: 0 }, {}, { weight: { a: 0 } })).toContain('id: equal in all else')
})

test('says when nothing can serve, and when unhealthy sources are tried', () => {
  const health = { near: { healthy: false, code: 'timeout' }, far: { healthy: false } }
  const write = explain(decide(compileRules(), { purpose: 'write', actor: {} }, { ...world, health }))
  expect(write).toContain('no source can serve this')
  expect(write).toMatch(/near +healthy +it is not healthy \(timeout\)/)
  const read = explain(decide(compileRules(), { purpose: 'read', actor: {} }, { ...world, health }))
  expect(read).toContain('no healthy source is left')
})

test('ids cannot move a terminal’s cursor', () => {
  const sources = [{ ...base, id: 'a\u001b[2J\r\n\u009b' }]
  const text = explain(
    decide(compileRules(), { purpose: 'read', actor: { userId: 'x\u0007', region: '\u202e' } }, { ...world, sources }),
  )
  expect(text).not.toMatch(/[^\P{C}\n]/u)
})
