import { expect, test } from 'vitest'
import { datasetStatus } from './dataset.ts'
import { sourceStatus } from './source.ts'

test.for([
  [true, undefined, 'active'],
  [true, true, 'active'],
  [true, false, 'error'],
  [false, true, 'inactive'],
  [false, false, 'inactive'],
] as const)('a source that is enabled: %s and healthy: %s is %s', ([enabled, healthy, status]) => {
  expect(sourceStatus({ enabled }, healthy === undefined ? undefined : { healthy })).toBe(status)
})

test.for([
  [0, [], 'uploading'],
  [2, ['2 ready'], 'ready'],
  [2, ['2 ready', '2 ready', '1 syncing', '1 error'], 'ready'],
  [2, ['2 ready', '2 syncing', '2 error'], 'syncing'],
  [2, ['2 ready', '2 error'], 'error'],
  [2, ['2 syncing'], 'error'],
  [2, ['2 deleting', '1 ready'], 'error'],
  [2, ['2 ready', '2 deleting'], 'ready'],
  [2, [], 'error'],
] as const)('a dataset of version %i with %j is %s', ([version, rows, status]) => {
  const replicas = rows.map((row) => {
    const [number, state] = row.split(' ')
    return { version: Number(number), status: state as 'ready' }
  })
  expect(datasetStatus({ version, openDrafts: 0, replicas })).toBe(status)
})
