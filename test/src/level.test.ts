import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { runs, testLevel, testSeed } from './level.ts'

it('takes the value of the level', () => {
  expect(runs(1, 2)).toBe(testLevel === 'full' ? 2 : 1)
})

it('refuses a seed that is no number', () => {
  vi.stubEnv('STOWAGE_TEST_SEED', 'abc')
  expect(testSeed).toThrow('STOWAGE_TEST_SEED is "abc"')
  vi.unstubAllEnvs()
})

it('seeds fast-check wherever a test imports it', () => {
  expect(fc.readConfigureGlobal().seed).toBe(Number(process.env['STOWAGE_TEST_SEED']))
})
