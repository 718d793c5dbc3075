import { type ErrorCode, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memoryProbeSteps } from '../memory/probe.ts'
import { type ProbeSteps, runProbe } from './probe.ts'

type Step = keyof ProbeSteps

function store(wrong: Partial<Record<Step, ErrorCode>> = {}) {
  const clock = new FakeClock()
  const adapter = { id: 's', capabilities: {} as never }
  const steps: ProbeSteps = { ...memoryProbeSteps(adapter, clock, () => {}), ask: async () => {} }
  const asked: Step[] = []
  for (const name of Object.keys(steps) as Step[]) {
    const step = steps[name] as (...given: unknown[]) => Promise<never>
    steps[name] = async (...given: unknown[]) => {
      asked.push(name)
      const code = wrong[name]
      if (code !== undefined) throw new StowageError(code, 'as told')
      return step(...given)
    }
  }
  const probing = { adapter, clock, random: seededRandom(1), steps }
  return { clock, asked, steps, wrong, probe: (options = {}) => runProbe(probing, options) }
}

it('reads, writes and deletes, and writes the canary once', async () => {
  const { probe, asked } = store()
  const first = await probe()
  expect(first).toMatchObject({ ok: true, writable: true })
  expect(first.checks.map(({ name, ok, note }) => [name, ok, note])).toEqual([
    ['read', true, 'the canary was written'],
    ['write', true, undefined],
    ['delete', true, undefined],
  ])
  asked.length = 0
  await probe()
  expect(asked).toEqual(['readCanary', 'write', 'remove'])
})

it('only reads where it may not write, and takes a missing canary for an answer', async () => {
  const { probe, asked } = store()
  const result = await probe({ write: false })
  expect(result).toMatchObject({ ok: true, checks: [{ name: 'read', ok: true }] })
  expect(result.writable).toBeUndefined()
  expect(asked).toEqual(['readCanary'])
})

it.for(['access-denied', 'no-space', 'not-supported', 'configuration'] as const)(
  'serves readers when writes fail with %s',
  async (code) => {
    const { probe } = store({ write: code, writeCanary: code })
    const result = await probe()
    expect(result).toMatchObject({ ok: true, writable: false, checks: [{ ok: true }, { name: 'write', ok: false }] })
    expect(result.error).toBeUndefined()
  },
)

it('serves when it may write and not delete', async () => {
  const { probe } = store({ remove: 'access-denied' })
  const checks = [{ ok: true }, { ok: true }, { name: 'delete', ok: false, failure: 'credentials' }]
  expect(await probe()).toMatchObject({ ok: true, writable: true, checks })
})

it.for([
  ['unavailable', 'transport'],
  ['throttled', 'throttle'],
  ['timeout', 'transport'],
] as const)('is ill when writes fail with %s', async ([code, failure]) => {
  const { probe } = store({ write: code })
  expect(await probe()).toMatchObject({ ok: false, writable: false, error: { code }, failure })
})

it.for([
  ['bucket-not-found', 'missing'],
  ['unavailable', 'transport'],
  ['integrity', 'integrity'],
] as const)('is ill when reads fail with %s', async ([code, failure]) => {
  const { probe } = store({ readCanary: code })
  expect(await probe()).toMatchObject({ ok: false, error: { code }, failure, checks: [{ name: 'read', failure }] })
})

it('asks something else when the canary may not be read', async () => {
  const refused = { readCanary: 'access-denied', writeCanary: 'access-denied', write: 'access-denied' } as const
  expect(await store(refused).probe()).toMatchObject({ ok: true, writable: false })
  expect(await store({ ...refused, ask: 'access-denied' }).probe()).toMatchObject({ ok: false, failure: 'credentials' })
  expect(await store({ ...refused, ask: 'unavailable' }).probe()).toMatchObject({ ok: false, failure: 'transport' })
})

it('tells a canary that holds something else', async () => {
  const { probe, steps } = store()
  steps.readCanary = async () => new Uint8Array(512)
  expect(await probe()).toMatchObject({ ok: false, failure: 'integrity', error: { hint: expect.any(String) } })
})

it('goes on after one that died before it deleted', async () => {
  const { probe, wrong, asked } = store({ remove: 'access-denied' })
  for (let i = 0; i < 100; i++) expect(await probe()).toMatchObject({ ok: true, writable: true })
  delete wrong.remove
  asked.length = 0
  const result = await probe()
  expect(result.checks[1]?.note).toContain('earlier probe')
  expect(asked).toEqual(['readCanary', 'write', 'remove'])
})

it.for(['readCanary', 'write', 'remove'] as const)('ends in time when %s never does', async (step) => {
  const { probe, steps, clock } = store()
  steps[step] = () => new Promise<never>(() => {})
  const result = probe({ timeoutMs: 3000 })
  await clock.advance(3000)
  expect(await result).toMatchObject({ ok: false, failure: 'transport', error: { code: 'timeout' } })
  expect((await result).checks.at(-1)).toMatchObject({ ok: false, latencyMs: 3000 })
  expect(clock.sleeping).toBe(0)
})

it('ends when its caller gives up', async () => {
  const { probe, steps, clock } = store()
  const control = new AbortController()
  steps.readCanary = () => new Promise<never>(() => {})
  const result = probe({ signal: control.signal })
  control.abort()
  await clock.advance(0)
  expect(await result).toMatchObject({ ok: false, failure: 'stopped', error: { code: 'aborted' } })
  expect(await probe({ signal: AbortSignal.abort() })).toMatchObject({ ok: false, failure: 'stopped' })
  expect(clock.sleeping).toBe(0)
})
