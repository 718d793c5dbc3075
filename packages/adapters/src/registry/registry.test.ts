import { expectCode } from '@stowage/core/testing'
import { testSecret } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { type AdapterConfig, adapterTypes, createAdapter } from './registry.ts'

const configs: Record<string, AdapterConfig> = {
  memory: { type: 'memory', id: 'a' },
  filesystem: { type: 'filesystem', id: 'a', root: '/tmp' },
  s3: { type: 's3', id: 'a', bucket: 'b' },
  minio: { type: 'minio', id: 'a', bucket: 'b', endpoint: 'http://127.0.0.1:9000' },
  oss: {
    type: 'oss',
    id: 'a',
    bucket: 'bucket',
    region: 'cn-hangzhou',
    accessKey: 'k',
    secretKey: testSecret('registry'),
  },
  rustfs: { type: 'rustfs', id: 'a', bucket: 'b', endpoint: 'http://127.0.0.1:9000' },
}

describe('createAdapter', () => {
  it.each(adapterTypes)('makes the adapter of the type %s', async (type) => {
    const adapter = await createAdapter(configs[type] as AdapterConfig)
    expect(adapter.type).toBe(type)
    expect(adapter.id).toBe('a')
  })

  it('refuses a type it does not know, and says which there are', async () => {
    const error = await expectCode(createAdapter({ type: 'toString' as 's3', id: 'a' }), 'configuration')
    expect(error.hint).toContain('filesystem')
  })

  it.each([
    [{ type: 'filesystem', id: 'a' }, 'root'],
    [{ type: 's3', id: 'a' }, 'bucket'],
    [{ type: 'minio', id: 'a', bucket: 'b' }, 'endpoint'],
    [{ type: 's3', id: 'a', bucket: 'b', accessKey: 'k' }, 'secretKey'],
    [{ type: 'oss', id: 'a', bucket: 'bucket' }, 'region'],
    [{ type: 'oss', id: 'a', bucket: 'bucket', region: 'cn-hangzhou' }, 'accessKey'],
  ] as [AdapterConfig, string][])('names the option that is missing in %j', async (config, field) => {
    expect((await expectCode(createAdapter(config), 'configuration')).field).toBe(field)
  })
})
