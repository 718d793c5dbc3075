import { at } from '@stowage/core'
import { expect, it } from 'vitest'
import { noCounts, type PassCounts } from '../run/counts.ts'
import { resolveOptions, type SyncOptions } from '../run/options.ts'
import { FakeAdapter } from '../testing/index.ts'
import { type Brought, checkShares, emptiedBy, withinShares } from './caps.ts'

const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]

function refusal(counts: Partial<PassCounts>, brought: Partial<Brought> = {}, more: Partial<SyncOptions> = {}) {
  const options = resolveOptions({ from: at(a), to: at(b), twoWay: true, ...more })
  const all = { ...noCounts(), ...counts }
  const before = { from: 0, to: 0, ...brought }
  try {
    checkShares(options, all, before)
  } catch (error) {
    expect(error).toMatchObject({ code: 'unsafe' })
    const { field, message } = error as { field: string; message: string }
    if (field === 'maxDeletePercent') expect(withinShares(options, all, before)).toBe(false)
    else expect(emptiedBy(all, before)).not.toEqual([])
    return [field, message]
  }
  return undefined
}

it('allows a share of each side by itself', () => {
  expect(refusal({ source: 10, target: 10, extra: 5, extraBack: 5 })).toBeUndefined()
  expect(refusal({ source: 100, target: 10, extra: 6 })).toEqual([
    'maxDeletePercent',
    expect.stringContaining('6 of 10'),
  ])
  expect(refusal({ source: 10, target: 100, extraBack: 6 })).toEqual([
    'maxDeletePercent',
    expect.stringContaining('6 of 10 objects in a:'),
  ])
  expect(refusal({ source: 10, target: 10, extra: 1 }, {}, { maxDeletePercent: 0 })).toBeDefined()
  expect(refusal({ source: 10, target: 10 }, {}, { maxDeletePercent: 0 })).toBeUndefined()
})

it('does not count what unfinished runs brought, unless all may go', () => {
  const counts = { source: 20, target: 20, extra: 6 }
  expect(refusal(counts, { to: 5 })).toBeUndefined()
  expect(refusal(counts, { to: 10 })).toEqual(['maxDeletePercent', expect.stringContaining('6 of 10')])
  expect(refusal(counts, { to: 20 }, { maxDeletePercent: 100 })).toBeUndefined()
})

it('takes a side for emptied when it has nothing, or nothing but what was brought', () => {
  expect(refusal({ source: 0, target: 3, extra: 3 })).toEqual([
    'from',
    expect.stringContaining('The source a: was emptied'),
  ])
  expect(refusal({ source: 3, target: 0, extraBack: 3 })).toEqual([
    'to',
    expect.stringContaining('The target b: was emptied'),
  ])
  expect(refusal({ source: 2, target: 9, extra: 3 }, { from: 2 })).toEqual(['from', expect.anything()])
  expect(refusal({ source: 2, target: 9, extra: 3 }, { from: 1 })).toBeUndefined()
  expect(refusal({ source: 0, target: 3, extra: 3 }, {}, { allowEmpty: true })).toBeUndefined()
  expect(refusal({ source: 0, target: 3 })).toBeUndefined()
})
