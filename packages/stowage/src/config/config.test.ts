import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tempDir, testSecret } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { bytesIn, cacheSettings, checkPolicies, loadConfig, parseConfig } from './index.ts'

const disk = { id: 'disk', type: 'filesystem', root: './data' }
const lan = {
  id: 'lan',
  type: 'minio',
  endpoint: 'http://127.0.0.1:9000',
  bucket: 'train',
  accessKey: 'AK',
  secretKey: testSecret('config'),
}

const cloud = {
  id: 'oss',
  type: 'oss',
  region: 'cn-hangzhou',
  bucket: 'data',
  accessKey: 'AK',
  secretKey: testSecret('config'),
}
const role = { roleArn: 'acs:ram::1234567890123456:role/stowage', sessionName: 'stowage' }

function failure(input: unknown, env = {}): { code: string; field?: string; message: string; hint?: string } {
  try {
    parseConfig(input, env)
  } catch (error) {
    return error as never
  }
  throw new Error('it was accepted')
}

describe('parseConfig', () => {
  it('accepts the example of the documentation', () => {
    const config = parseConfig(
      {
        sources: [
          {
            ...lan,
            id: 'oss-hz',
            type: 'oss',
            endpoint: 'https://oss-cn-hangzhou.aliyuncs.com',
            accessKey: { env: 'OSS_AK' },
            secretKey: { env: 'OSS_SK' },
            priority: 10,
          },
          { ...lan, pathStyle: true },
          disk,
        ],
        catalog: { type: 'sqlite', path: './.stowage/catalog.db' },
        queue: { type: 'local' },
        routing: {},
        policies: [],
      },
      { OSS_AK: 'a', OSS_SK: testSecret('variable') },
    )
    expect(config.sources[0]).toMatchObject({ accessKey: 'a', secretKey: testSecret('variable') })
  })

  it('accepts the quirks of a store that speaks S3, and names those that are none', () => {
    const s3 = { ...lan, type: 's3', quirks: ['no-checksums', 'no-tags'] }
    expect(parseConfig({ sources: [s3] }).sources[0]?.quirks).toEqual(['no-checksums', 'no-tags'])
    const { code, field, message } = failure({ sources: [{ ...s3, quirks: ['no-tags', 'no-tag'] }] })
    expect([code, field]).toEqual(['configuration', 'sources[0].quirks[1]'])
    expect(message).toMatch(/must be one of .*no-multi-delete/)
    expect(failure({ sources: [{ ...cloud, quirks: ['no-tags'] }] }).field).toBe('sources[0].quirks')
  })

  it('accepts what only OSS has', () => {
    const options = { assumeRole: role, requestPayer: true, encryption: { type: 'sse-kms', keyId: 'key' } }
    expect(parseConfig({ sources: [{ ...cloud, ...options }] }).sources[0]).toMatchObject(options)
  })

  it.each([
    ['an unknown key', { sources: [disk], sauces: [] }, 'sauces'],
    ['an unknown key of a source', { sources: [{ ...disk, rot: 1 }] }, 'sources[0].rot'],
    ['a cache without a capacity', { sources: [{ ...disk, cache: {} }] }, 'sources[0].cache.capacity'],
    ['a cache of nothing', { sources: [{ ...disk, cache: { capacity: 0 } }] }, 'sources[0].cache.capacity'],
    ['a cache of words', { sources: [{ ...disk, cache: { capacity: 'much' } }] }, 'sources[0].cache.capacity'],
    ['a cache of itself', { sources: [{ ...disk, cache: { capacity: '50%' } }] }, 'sources[0].cache.capacity'],
    [
      'a mark above all',
      { sources: [{ ...disk, cache: { capacity: 9, highWater: 10 } }] },
      'sources[0].cache.highWater',
    ],
    [
      'a mark of 101%',
      { sources: [{ ...disk, cache: { capacity: 9, highWater: '101%' } }] },
      'sources[0].cache.highWater',
    ],
    [
      'marks the wrong way round',
      { sources: [{ ...disk, cache: { capacity: 9, highWater: '50%', lowWater: '60%' } }] },
      'sources[0].cache.lowWater',
    ],
    [
      'no copy at all',
      { sources: [{ ...disk, cache: { capacity: 9, minimumCopies: 0 } }] },
      'sources[0].cache.minimumCopies',
    ],
    ['an unknown key of a cache', { sources: [{ ...disk, cache: { capacity: 9, size: 9 } }] }, 'sources[0].cache.size'],
    ['an unknown type', { sources: [{ ...disk, type: 'ftp' }] }, 'sources[0].type'],
    ['a missing root', { sources: [{ id: 'disk', type: 'filesystem' }] }, 'sources[0].root'],
    ['a missing bucket', { sources: [{ ...lan, bucket: undefined }] }, 'sources[0].bucket'],
    ['a missing endpoint', { sources: [{ ...lan, endpoint: undefined }] }, 'sources[0].endpoint'],
    ['half of the credentials', { sources: [{ ...lan, secretKey: undefined }] }, 'sources[0].secretKey'],
    ['a root that is not used', { sources: [{ ...lan, root: '/x' }] }, 'sources[0].root'],
    ['an endpoint that is no URL', { sources: [{ ...lan, endpoint: 'minio:9000' }] }, 'sources[0].endpoint'],
    ['an id with a colon', { sources: [{ ...disk, id: 'a:b' }] }, 'sources[0].id'],
    ['an id used twice', { sources: [disk, disk] }, 'sources[1].id'],
    ['a connection setting that is no count', { sources: [{ ...lan, maxSockets: 0 }] }, 'sources[0].maxSockets'],
    ['an option of another type', { sources: [{ ...lan, cname: true }] }, 'sources[0].cname'],
    ['a role of another type', { sources: [{ ...disk, assumeRole: role }] }, 'sources[0].assumeRole'],
    [
      'what only AWS asks for, of OSS',
      { sources: [{ ...cloud, assumeRole: { ...role, externalId: 'x' } }] },
      'sources[0].assumeRole.externalId',
    ],
    [
      'a role without keys',
      { sources: [{ ...cloud, accessKey: undefined, assumeRole: role }] },
      'sources[0].accessKey',
    ],
    [
      'a role with a token',
      { sources: [{ ...cloud, sessionToken: 't', assumeRole: role }] },
      'sources[0].sessionToken',
    ],
    [
      'an unknown field of a role',
      { sources: [{ ...cloud, assumeRole: { ...role, arn: 'x' } }] },
      'sources[0].assumeRole.arn',
    ],
    ['an encryption of no type', { sources: [{ ...cloud, encryption: { keyId: 'k' } }] }, 'sources[0].encryption.type'],
    ['an encryption of a folder', { sources: [{ ...disk, encryption: { type: 'sse-oss' } }] }, 'sources[0].encryption'],
    ['a payer that is none', { sources: [{ ...cloud, requestPayer: 'me' }] }, 'sources[0].requestPayer'],
    ['an oss without endpoint and region', { sources: [{ ...cloud, region: undefined }] }, 'sources[0].endpoint'],
    ['an option of a folder', { sources: [{ ...lan, durability: 'power' }] }, 'sources[0].durability'],
    ['a vault of two kinds', { sources: [], vault: { key: 'k', keyFile: 'f' } }, 'vault.key'],
    ['a vault of none', { sources: [], vault: {} }, 'vault.key'],
    [
      'an event policy without a location',
      { sources: [disk], policies: [{ id: 'p', on: 'event', from: 'disk', to: 'disk:' }] },
      'policies[0].from',
    ],
    ['a negative weight', { sources: [{ ...disk, weight: -1 }] }, 'sources[0].weight'],
  ])('refuses %s and names the field', (_, input, field) => {
    expect(failure(input)).toMatchObject({ code: 'configuration', field })
    expect(failure(input).message).toContain(field)
  })

  it('takes a role of an S3-like store, with keys and without', () => {
    for (const keys of [{}, { accessKey: undefined, secretKey: undefined }]) {
      const source = { ...lan, ...keys, assumeRole: { ...role, externalId: 'x' } }
      expect(parseConfig({ sources: [source] }).sources[0]?.assumeRole).toEqual(source.assumeRole)
    }
  })

  it('takes no sources, since the catalog may have some', () => {
    expect(parseConfig({ sources: [] }).sources).toEqual([])
  })

  it('checks that policies name sources, once these are known', () => {
    const policies = [{ id: 'p', on: 'publish' as const, from: 'disk', to: 'x' }]
    checkPolicies(policies, new Set(['disk', 'x']))
    expect(() => checkPolicies(policies, new Set(['disk']))).toThrow(
      expect.objectContaining({ code: 'configuration', field: 'policies[0].to' }),
    )
  })

  it('names the field and the variable that is missing', () => {
    const error = failure({ sources: [{ ...lan, secretKey: { env: 'LAN_SK' } }] })
    expect(error).toMatchObject({ code: 'configuration', field: 'sources[0].secretKey' })
    expect(error.message).toContain('LAN_SK')
  })

  it('never repeats a secret in an error', () => {
    const error = failure({ sources: [{ ...lan, secretKey: testSecret('config'), accessKey: 5 }] })
    expect(JSON.stringify(error) + error.message + String((error as { stack?: string }).stack)).not.toContain(
      testSecret('config'),
    )
  })
})

describe('loadConfig', () => {
  it('finds the file and takes its paths relative to it', async () => {
    const directory = await tempDir()
    await mkdir(join(directory, 'sub'))
    await writeFile(join(directory, 'sub', 'stowage.config.json'), JSON.stringify({ sources: [disk] }))
    const config = await loadConfig({ directory, path: 'sub/stowage.config.json', env: {} })
    expect(config.sources[0]?.root).toBe(join(directory, 'sub', 'data'))
    expect(config.catalog).toEqual({ type: 'sqlite', path: join(directory, 'sub', '.stowage', 'catalog.db') })
    expect((await loadConfig({ directory: join(directory, 'sub'), env: {} })).sources[0]?.root).toBe(
      join(directory, 'sub', 'data'),
    )
  })

  it('reads a module', async () => {
    const directory = await tempDir()
    await writeFile(join(directory, 'stowage.config.mjs'), `export default { sources: [${JSON.stringify(disk)}] }`)
    expect((await loadConfig({ directory, env: {} })).sources).toHaveLength(1)
  })

  it('says what is missing or broken', async () => {
    const directory = await tempDir()
    await expect(loadConfig({ directory, env: {} })).rejects.toMatchObject({ code: 'configuration' })
    await writeFile(join(directory, 'stowage.config.json'), '{')
    await expect(loadConfig({ directory, env: {} })).rejects.toMatchObject({ code: 'configuration' })
    await expect(loadConfig({ directory, path: 'nowhere.json', env: {} })).rejects.toMatchObject({
      code: 'configuration',
    })
  })
})

describe('a cache in numbers', () => {
  it('takes bytes, sizes and parts of the capacity', () => {
    expect(cacheSettings({ capacity: '1.5K' })).toEqual({
      capacity: 1536,
      highWater: 1382,
      lowWater: 1228,
      minimumCopies: 1,
      primaries: false,
      pins: [],
      graceMs: 900_000,
    })
    expect(cacheSettings({ capacity: '1 TiB', highWater: '700G', lowWater: '12.5%', pins: ['a'] })).toMatchObject({
      capacity: 1024 ** 4,
      highWater: 700 * 1024 ** 3,
      lowWater: 1024 ** 4 / 8,
      pins: ['a'],
    })
    expect(bytesIn('1.5')).toBeUndefined()
    expect(bytesIn('9999999999999P')).toBeUndefined()
  })
})
