import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '@stowage/test-support'
import { beforeEach, expect, it } from 'vitest'
import { runIn } from './testing.ts'

let cwd: string

const stowage = (...args: string[]) => runIn(cwd, args)

beforeEach(() => {
  cwd = tempDir('cache')
  for (const name of ['far', 'near', 'cats']) mkdirSync(join(cwd, name))
  for (const name of ['a', 'b']) writeFileSync(join(cwd, 'cats', name), name.repeat(100))
  const sources = [
    { id: 'far', type: 'filesystem', root: './far', isPublic: true, region: 'hz' },
    {
      id: 'near',
      type: 'filesystem',
      root: './near',
      region: 'sz',
      cache: { capacity: 1000, graceMs: 0, lowWater: 0 },
    },
  ]
  writeFileSync(
    join(cwd, 'stowage.config.json'),
    JSON.stringify({ sources, catalog: { type: 'sqlite', path: 'c.db' } }),
  )
})

it('brings a dataset near, pins it, shows the cache and makes room in it', async () => {
  expect((await stowage('dataset', 'create', 'cats')).code).toBe(0)
  expect((await stowage('dataset', 'put', 'cats', 'cats', '--user-type', 'external')).code).toBe(0)
  const made = await stowage('dataset', 'ensure', 'cats', '--region', 'sz', '--json')
  expect(made.code, made.stderr).toBe(0)
  expect(made.json).toMatchObject({ status: 'ready', sourceId: 'near', version: 1, wasThere: false })
  expect((await stowage('dataset', 'ensure', 'cats', '--source', 'near')).stdout).toContain(
    'was there already, on near',
  )
  expect((await stowage('dataset', 'ensure', 'cats')).code).toBe(2)
  expect((await stowage('dataset', 'ensure', 'cats', '--region', 'moon')).code).toBe(1)

  expect((await stowage('dataset', 'pin', 'cats', '--dataset-version', '1', '--user', 'ada')).stdout).toContain(
    'by ada',
  )
  const status = await stowage('cache', 'status')
  expect(status.stdout).toMatch(/near +200 B +1000 B +20%/)
  expect(status.stdout).toContain('pinned: ')
  expect((await stowage('cache', 'evict')).stdout).toContain('near: 0 marked, 200 B stay; stay: 1 pinned')
  expect((await stowage('dataset', 'unpin', 'cats', '--dataset-version', '1')).stdout).toContain('unpinned cats')
  expect((await stowage('dataset', 'unpin', 'cats')).stdout).toContain('was not pinned')

  const evicted = await stowage('cache', 'evict', '--source', 'near', '--json')
  expect(evicted.code, evicted.stderr).toBe(0)
  expect(evicted.json).toMatchObject({
    caches: [{ marked: [{ bytes: 200 }] }],
    removals: { removed: [{ version: 1 }] },
  })
  const left = readdirSync(join(cwd, 'near'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  expect(left.map(({ name }) => name)).toEqual(['root.json'])
  expect((await stowage('dataset', 'get', 'cats', 'out')).code).toBe(0)
  expect((await stowage('cache', 'evict', '--source', 'nowhere')).code).toBe(2)
})

it('says at the deadline that the copy goes on', async () => {
  await stowage('dataset', 'create', 'cats')
  await stowage('dataset', 'put', 'cats', 'cats', '--user-type', 'external')
  const late = await stowage('dataset', 'ensure', 'cats', '--region', 'sz', '--deadline', '0.000001', '--json')
  expect(late.code).toBe(75)
  expect(late.json).toMatchObject({ status: 'pending', sourceId: 'near' })
  expect((await stowage('dataset', 'ensure', 'cats', '--region', 'sz')).code).toBe(0)
})
