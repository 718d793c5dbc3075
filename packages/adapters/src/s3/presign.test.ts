import { expect, it } from 'vitest'
import { drain, scripted } from '../testing/scripted-server.ts'
import { type S3Encryption, type S3Options, s3 } from './index.ts'

const keyId = 'arn:aws:kms:eu-central-1:1:key/k'
const kms: S3Encryption = { type: 'sse-kms', keyId, context: { a: 'b' }, bucketKey: true }
const given = { id: 'cloud', bucket: 'b', region: 'eu-central-1', accessKey: 'key', secretKey: 'secret' }
const encryptionHeaders = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': keyId,
  'x-amz-server-side-encryption-context': Buffer.from('{"a":"b"}').toString('base64'),
  'x-amz-server-side-encryption-bucket-key-enabled': 'true',
}

it.each<[S3Encryption | undefined, Record<string, string>]>([
  [undefined, {}],
  [{ type: 'sse-s3' }, { 'x-amz-server-side-encryption': 'AES256' }],
  [kms, encryptionHeaders],
])('a presigned put asks for the encryption of its source: %j', async (encryption, expected) => {
  const bucket = s3({ ...given, ...(encryption === undefined ? {} : { encryption }) })
  const { url, headers } = await bucket.presign({ method: 'put', key: 'k', expiresIn: 60 })
  expect(headers).toEqual({ 'if-none-match': '*', ...expected })
  const { searchParams } = new URL(url)
  expect(searchParams.get('X-Amz-SignedHeaders')).toBe([...Object.keys(headers), 'host'].sort().join(';'))
  // In the URL stores need not look at it, and it would show the context to who reads logs.
  expect([...searchParams.keys()].filter((name) => /encryption/i.test(name))).toEqual([])
  const part = { method: 'part', key: 'k', uploadId: 'u', partNumber: 1, expiresIn: 60 } as const
  for (const other of [part, { method: 'get', key: 'k', expiresIn: 60 } as const]) {
    const signed = await bucket.presign(other)
    expect(signed.headers).toEqual({})
    expect(signed.url).not.toMatch(/encryption/i)
  }
  await bucket.close()
})

it.each<[string, Partial<S3Options>, string[]]>([
  ['a role', { narrowing: { roleArn: 'arn:aws:iam::1:role/r' } }, []],
  ['a role with a key', { narrowing: { roleArn: 'arn:aws:iam::1:role/r' }, encryption: kms }, [keyId]],
  ['a role with an alias', { narrowing: { roleArn: 'r' }, encryption: { type: 'sse-kms', keyId: 'alias/x' } }, ['*']],
  ['a role with keys of S3', { narrowing: { roleArn: 'r' }, encryption: { type: 'sse-s3' } }, []],
  // MinIO knows no such action in a policy, and asks in its own name.
  ['no role, with a key', { narrowing: {}, encryption: kms }, []],
])('narrowed credentials may use the key of the encryption: %s', async (_, options, keys) => {
  let policy: { Statement: { Action: string[]; Resource: string[] }[] } | undefined
  const { adapter } = await scripted(
    async (request, response) => {
      policy = JSON.parse(new URLSearchParams((await drain(request)).toString()).get('Policy') ?? '')
      const credentials = `<AccessKeyId>k</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
        <Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration>`
      response.end(
        `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>${credentials}</Credentials></AssumeRoleResult></AssumeRoleResponse>`,
      )
    },
    options,
    s3,
  )
  await adapter.presign({ method: 'put', key: 'k', expiresIn: 60 })
  const [first, ...more] = policy?.Statement ?? []
  expect(first).toMatchObject({ Action: ['s3:PutObject'], Resource: ['arn:aws:s3:::bucket/k'] })
  expect(more).toEqual(
    keys.map((key) => ({ Effect: 'Allow', Action: ['kms:GenerateDataKey', 'kms:Decrypt'], Resource: [key] })),
  )
})
