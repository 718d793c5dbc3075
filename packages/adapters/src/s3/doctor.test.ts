import { freshBucket, sessionKeys, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { minio } from '../minio/index.ts'
import { leastPolicy } from './policy.ts'

const all = { list: true, get: true, put: true, delete: true, multipart: true, abort: true, tags: true }

await withMinio((server) => {
  const { endpoint, accessKey, secretKey, region } = server
  const at = (bucket: string, changes = {}) =>
    minio({ id: 'lan', endpoint, region, bucket, accessKey, secretKey, ...changes })

  it('finds a bucket of its own well, and leaves nothing behind', async () => {
    const bucket = await freshBucket(server)
    const adapter = at(bucket.name)
    const { findings, permissions } = (await adapter.diagnose?.()) ?? {}
    expect(permissions).toEqual(all)
    // MinIO takes a copy source that was not signed.
    expect(findings?.filter(({ severity }) => severity !== 'ok').map(({ code }) => code)).toEqual(['presigned-writes'])
    expect(findings?.map(({ code }) => code)).toEqual([
      'tls',
      'bucket',
      'clock-skew',
      'probe',
      ...['list', 'put', 'get', 'tags', 'multipart', 'abort', 'delete'].map((name) => `permission-${name}`),
      'lifecycle',
      'versioning',
      'cors',
      'presigned-writes',
    ])
    expect((await adapter.probe()).checks[1]).toMatchObject({ ok: true })
    await adapter.close()
  })

  const cases: [string, string[], string[], Partial<typeof all>][] = [
    ['only reads', ['s3:ListBucket'], ['s3:GetObject'], { list: true, get: true, put: false, multipart: false }],
    ['may not delete', ['s3:ListBucket'], ['s3:GetObject', 's3:PutObject'], { put: true, delete: false, tags: false }],
    ['may not list', [], ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], { list: false, put: true, delete: true }],
  ]
  it.for(cases)('tells which rights are missing: %s', async ([, onBucket, onObjects, expected]) => {
    const bucket = await freshBucket(server)
    const keys = await sessionKeys(
      server,
      [
        { actions: onBucket, on: [bucket.name] },
        { actions: onObjects, on: [`${bucket.name}/*`] },
      ].filter(({ actions }) => actions.length > 0),
    )
    const adapter = at(bucket.name, keys)
    const diagnosis = await adapter.diagnose?.()
    expect(diagnosis?.permissions).toMatchObject(expected)
    for (const [name, granted] of Object.entries(expected)) {
      if (name === 'tags') continue
      const finding = diagnosis?.findings.find(({ code }) => code === `permission-${name}`)
      expect([name, finding?.severity]).toEqual([name, granted ? 'ok' : 'error'])
    }
    await adapter.close()
  })

  it('names a policy that does', async () => {
    const bucket = await freshBucket(server)
    const { Statement } = leastPolicy(bucket.name, undefined) as {
      Statement: { Action: string[]; Resource: string[] }[]
    }
    const allowed = Statement.map(({ Action, Resource }) => ({
      actions: Action,
      on: Resource.map((arn) => arn.replace('arn:aws:s3:::', '')),
    }))
    const adapter = at(bucket.name, await sessionKeys(server, allowed))
    const diagnosis = await adapter.diagnose?.()
    expect(diagnosis?.permissions).toEqual(all)
    expect(diagnosis?.policy).toEqual(leastPolicy(bucket.name, undefined))
    expect(diagnosis?.findings.filter(({ severity }) => severity === 'error')).toEqual([])
    await adapter.close()
  })

  it('tries no write where it is read only', async () => {
    const bucket = await freshBucket(server)
    const adapter = at(bucket.name, { readOnly: true })
    expect((await adapter.diagnose?.())?.permissions).toEqual({ list: true, get: true })
    await adapter.close()
  })

  it('tells a bucket that is missing, keys that are wrong, a store that is away and a clock that is off', async () => {
    const bucket = await freshBucket(server)
    const now = Date.now()
    const clock = { now: () => now - 20 * 60_000, sleep: async () => new Promise<never>(() => {}) }
    const ill = [
      [at(`${bucket.name}-not`), 'bucket'],
      [at(bucket.name, { secretKey: `${secretKey}-not` }), 'probe'],
      [at(bucket.name, { endpoint: 'http://127.0.0.1:1' }), 'bucket'],
      [at(bucket.name, { clock }), 'clock-skew'],
    ] as const
    for (const [adapter, code] of ill) {
      const errors = (await adapter.diagnose?.())?.findings.filter(({ severity }) => severity === 'error')
      expect(errors?.map((finding) => finding.code)).toContain(code)
      expect(JSON.stringify(errors)).not.toContain(secretKey)
      await adapter.close()
    }
  })
})
