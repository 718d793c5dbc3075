import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir, testSecret } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { runIn } from './testing.ts'

it('source list and route explain show what is wrong with a source, since when, and when it is tried again, as any process saw it', async () => {
  const cwd = tempDir('health')
  const stowage = (...args: string[]) => runIn(cwd, args)
  const config = {
    sources: [
      // Nothing listens there.
      {
        id: 'lan',
        type: 's3',
        endpoint: 'http://127.0.0.1:1',
        region: 'r',
        bucket: 'train',
        accessKey: 'AK',
        secretKey: testSecret('health'),
        priority: 1,
        attempts: 1,
      },
      { id: 'disk', type: 'filesystem', root: '.', priority: 2 },
    ],
    catalog: { type: 'sqlite', path: './catalog.db' },
    routing: { health: { consecutiveProbeErrors: 1 } },
  }
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
  expect((await stowage('source', 'list')).stdout).toMatch(/^lan +s3 +file +active +- +-/m)
  expect(await stowage('source', 'test')).toMatchObject({ code: 1 })

  const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ'
  const why = `ejected after failures: unavailable, since ${time}, tried again at ${time}`
  expect((await stowage('source', 'list')).stdout).toMatch(new RegExp(`^lan +s3 +file +error +${why} `, 'm'))
  const [lan, disk] = JSON.parse((await stowage('source', 'list', '--json')).stdout)
  expect(lan).toMatchObject({ status: 'error', health: { trouble: 'ejected', code: 'unavailable' } })
  expect(lan.health.retryAt).toBeGreaterThan(lan.health.since)
  expect(disk).toMatchObject({ status: 'active', health: { healthy: true } })
  expect(disk.health).not.toHaveProperty('trouble')
  const explained = await stowage('route', 'explain')
  expect(explained.stdout).toMatch(new RegExp(`^lan +healthy +it is not healthy \\(${why}\\)$`, 'm'))

  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ ...config, routing: { health: { trial: 0 } } }))
  const refused = await stowage('source', 'list')
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('routing.health.trial')
})
