import { inspect } from 'node:util'
import { testKey, testSecret } from '@stowage/test-support'
import { describe, expect, test } from 'vitest'
import { StowageError } from '../errors/index.ts'
import { localMasterKey, openVault } from '../vault/index.ts'
import { checkNewSource, checkSourceChanges } from './source-rules.ts'
import type { NewSource } from './source-store.ts'

const lan: NewSource = { id: 'lan', type: 'minio' }
const vault = await openVault({ catalogId: 'c', keys: [localMasterKey(1, testKey('rules'))] })

test.each<Partial<NewSource>>([
  {},
  { id: '0_-9' },
  { name: 'Das Lager, 猫', endpoint: 'https://minio.lan:9000', bucket: 'b', region: 'cn-sz' },
  { priority: -5, weight: 0.1, enabled: false, isPublic: true },
  { options: {} },
  { options: { root: '/data', tls: { ca: null }, list: [1, 'two', [true]], pathStyle: true } },
])('takes %j', (fields) => {
  checkNewSource({ ...lan, ...fields })
})

const secret = testSecret('hunter2')

describe('refuses and names the field:', () => {
  test.each<[string, object]>([
    ['id', { id: 'A' }],
    ['id', { id: '' }],
    ['id', { id: 'a:b' }],
    ['id', { id: '-a' }],
    ['id', { id: 'a'.repeat(64) }],
    ['type', { type: 'ftp' }],
    ['name', { name: '' }],
    ['name', { name: null }],
    ['name', { name: 'a\ud800' }],
    ['bucket', { bucket: 'a\nb' }],
    ['region', { region: 5 }],
    ['region', { region: 'x'.repeat(2000) }],
    ['endpoint', { endpoint: 'minio' }],
    ['endpoint', { endpoint: `https://ada:${secret}@minio` }],
    ['endpoint', { endpoint: `https://minio/?X-Amz-Signature=${secret}` }],
    ['isPublic', { isPublic: 1 }],
    ['enabled', { enabled: 'yes' }],
    ['priority', { priority: 1.5 }],
    ['priority', { priority: Number.NaN }],
    ['weight', { weight: 0 }],
    ['weight', { weight: Number.POSITIVE_INFINITY }],
    ['options.secretKey', { options: { secretKey: secret } }],
    ['options.proxy.password', { options: { proxy: { password: secret } } }],
    ['options.list[1].token', { options: { list: [1, { token: secret }] } }],
    ['options.n', { options: { n: Number.NaN } }],
    ['options.n', { options: { n: -0 } }],
    ['options.when', { options: { when: new Date() } }],
    ['options.f', { options: { f: () => 1 } }],
    ['options.u', { options: { u: undefined } }],
    ['options', { options: { x: 'x'.repeat(70_000) } }],
    ['options', { options: JSON.parse('{"__proto__":1}') }],
    ['dataKey', { credentials: { dataKey: Buffer.from(secret), fields: {} } }],
  ])('%s of %j', (field, fields) => {
    const check = (): void => checkNewSource({ ...lan, ...fields } as NewSource)
    expect(check).toThrow(StowageError)
    try {
      check()
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid-request', field })
      expect(inspect(error, { depth: null })).not.toContain(secret)
    }
  })

  test('credentials that are none of a source', async () => {
    const { dataKey, fields } = await vault.seal('lan', { accessKey: 'a', password: secret })
    const wrong = { code: 'invalid-request', field: 'nextCredentials.password' }
    expect(() => checkSourceChanges({ nextCredentials: { dataKey, fields } })).toThrow(expect.objectContaining(wrong))
    expect(() => checkSourceChanges({ credentials: { dataKey, fields: {} } })).toThrow(StowageError)
  })
})

test('changes may clear what is optional', () => {
  checkSourceChanges({ endpoint: null, bucket: null, region: null, credentials: null, nextCredentials: null })
})
