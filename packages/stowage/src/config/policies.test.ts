import { expect, it } from 'vitest'
import { parseConfig } from './index.ts'

const sources = [
  { id: 'a', type: 'memory' },
  { id: 'b', type: 'memory' },
]
const pair = { id: 'p', on: 'event', from: 'a:x', to: 'b:y' }

it('takes policies of every kind, those of before included', () => {
  const policies = [
    { id: 'inward', on: 'publish', from: '*', to: 'b', tags: ['x'], enabled: false },
    { ...pair, reconcile: '12h', debounceMs: 0, delete: true, include: ['*.jpg'], minSize: 1, priority: 3 },
    { id: 'night', on: 'schedule', from: 'a:', to: 'b:', schedule: '30 2 * * *', timeZone: 'Europe/Berlin' },
    { id: 'backup', on: 'schedule', from: 'a', to: 'b', schedule: '@daily', overlap: 'queue', missed: 'skip' },
    { id: 'both', on: 'manual', from: 'a:x', to: 'b:y', twoWay: true, conflict: 'newer' },
    { id: 'by-cron', on: 'event', from: 'a:x', to: 'b:z', reconcile: '0 3 * * 0', timeZone: 'Asia/Shanghai' },
  ]
  expect(parseConfig({ sources, policies }).policies).toHaveLength(6)
})

it.for([
  ['another trigger', { ...pair, on: 'sometimes' }, 'on'],
  ['an unknown field', { ...pair, form: 'x' }, 'form'],
  ['a schedule that is missing', { ...pair, on: 'schedule' }, 'schedule'],
  ['a schedule that is none', { ...pair, on: 'schedule', schedule: '61 * * * *' }, 'schedule'],
  ['a schedule of an event policy', { ...pair, schedule: '@daily' }, 'schedule'],
  ['a time zone of nowhere', { ...pair, on: 'schedule', schedule: '@daily', timeZone: 'Mars/X' }, 'timeZone'],
  ['a time zone without a schedule', { ...pair, timeZone: 'UTC' }, 'timeZone'],
  ['a reconciliation that is none', { ...pair, reconcile: 'often' }, 'reconcile'],
  ['a reconciliation every second', { ...pair, reconcile: '1s' }, 'reconcile'],
  ['tags of a prefix', { ...pair, tags: ['x'] }, 'tags'],
  ['a filter of datasets', { id: 'p', on: 'publish', from: 'a', to: 'b', include: ['x'] }, 'include'],
  ['a location of datasets', { id: 'p', on: 'publish', from: 'a:', to: 'b' }, 'from'],
  ['a location and an id', { ...pair, on: 'manual', to: 'b' }, 'to'],
  ['a conflict rule in one direction', { ...pair, conflict: 'newer' }, 'conflict'],
  ['sizes in two directions', { ...pair, twoWay: true, minSize: 1 }, 'minSize'],
  ['sizes that leave nothing', { ...pair, minSize: 2, maxSize: 1 }, 'minSize'],
  ['a share above all', { ...pair, maxDeletePercent: 101 }, 'maxDeletePercent'],
  ['itself', { ...pair, to: 'a:x' }, 'to'],
  ['a folder within itself', { ...pair, to: 'a:x/y' }, 'to'],
  ['a folder that it lies in', { ...pair, to: 'a:' }, 'to'],
  ['a negative pause', { ...pair, debounceMs: -1 }, 'debounceMs'],
] as const)('refuses %s', ([, policy, field]) => {
  expect(() => parseConfig({ sources, policies: [policy] })).toThrow(
    expect.objectContaining({ code: 'configuration', field: `policies[0].${field}` }),
  )
})
