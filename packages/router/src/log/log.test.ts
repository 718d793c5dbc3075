import { StowageError } from '@stowage/core'
import { expect, test } from 'vitest'
import { decide } from '../decide/index.ts'
import { compileRules } from '../rules/index.ts'
import type { RouteSource, World } from '../world.ts'
import { recordOf } from './record.ts'
import { dryRun, replay } from './replay.ts'

const base = { type: 's3', isPublic: true, priority: 10, weight: 1, enabled: true } satisfies Partial<RouteSource>
const world: World = {
  sources: [
    { ...base, id: 'a' },
    { ...base, id: 'b' },
    { ...base, id: 'off', enabled: false },
  ],
  health: { a: { healthy: true, latencyMs: 300 } },
  replicas: [
    { datasetId: 'd', version: 2, sourceId: 'a', status: 'ready' },
    { datasetId: 'd', version: 2, sourceId: 'b', status: 'ready' },
  ],
  now: 5,
}
const request = { purpose: 'read', actor: { userId: 'ada' }, datasetId: 'd' } as const
const rules = compileRules([{ id: 'r', then: { prefer: 'a' } }])

function record(trace = false) {
  const made = recordOf('id-1', decide(rules, request, world), request, world, { trace })
  // As it comes back from where it was kept.
  return JSON.parse(JSON.stringify(made)) as typeof made
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    return StowageError.isInstance(error) ? error.code : undefined
  }
  return undefined
}

test('a record gives the same decision again, with or without its trace', () => {
  expect(record()).toMatchObject({
    id: 'id-1',
    at: 5,
    ruleSetHash: rules.hash,
    candidates: ['a', 'b'],
    ruleIds: ['r', 'default-internal-read'],
  })
  expect(record()).not.toHaveProperty('trace')
  for (const each of [record(), record(true)]) {
    expect(replay(rules, each)).toEqual({ decision: decide(rules, request, world), same: true })
  }
})

test('a record that was changed is told from one that was not', () => {
  expect(replay(rules, { ...record(), candidates: ['b', 'a'] }).same).toBe(false)
  const traced = record(true)
  const trace = traced.trace === undefined ? undefined : { ...traced.trace, panic: true }
  expect(replay(rules, { ...traced, ...(trace === undefined ? {} : { trace }) }).same).toBe(false)
})

test('other rules and other formats are refused', () => {
  expect(codeOf(() => replay(compileRules(), record()))).toBe('invalid-request')
  expect(codeOf(() => replay(rules, { ...record(), format: 99 }))).toBe('newer-format')
  expect(codeOf(() => dryRun(rules, [{ ...record(), format: 99 }]))).toBe('newer-format')
})

test('a record has of a source only what routing looks at', () => {
  const more = { ...base, id: 'a', endpoint: 'https://somewhere', name: 'A' }
  const made = recordOf('x', decide(rules, request, world), request, { ...world, sources: [more] })
  expect(made.world.sources).toEqual([{ ...base, id: 'a' }])
})

test('a dry run tells what would have changed, and how', () => {
  expect(dryRun(rules, [record()])).toEqual({ ruleSetHash: rules.hash, decisions: 1, changes: [] })
  const kinds = (then: object): string[] =>
    dryRun(compileRules([{ id: 'new', then }]), [record(), record()]).changes.map(({ kind }) => kind)
  expect(kinds({ prefer: 'b' })).toEqual(['first', 'first'])
  expect(kinds({ require: 'a' })).toEqual(['order', 'order'])
  expect(kinds({ exclude: ['a', 'b'] })).toEqual(['none', 'none'])
  const [change] = dryRun(compileRules([{ id: 'new', then: { prefer: 'b' } }]), [record()]).changes
  expect(change).toMatchObject({ before: ['a', 'b'], after: ['b', 'a'] })
  expect(change?.decision.candidates[1]?.lost).toEqual({ component: 'preference', ruleId: 'new' })
})
