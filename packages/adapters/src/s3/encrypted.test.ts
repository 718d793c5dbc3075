import { expectCode } from '@stowage/core/testing'
import { freshBucket, type OwnServer, ServerUnavailable, startMinio, testKey } from '@stowage/test-support'
import { afterAll, expect, it } from 'vitest'
import { minio } from '../minio/index.ts'
import { exists, patternBytes, readBytes, streamOf, text } from '../testing/bytes.ts'
import { hasty } from '../testing/hasty.ts'
import { testAdapter } from '../testing/index.ts'
import type { S3Encryption } from './index.ts'

const kms = { MINIO_KMS_SECRET_KEY: `stowage-key:${testKey('kms').toString('base64')}` }
const server = await startMinio({ env: kms }).catch((error: unknown) => {
  if (error instanceof ServerUnavailable && process.env['CI'] !== 'true') return error
  throw error
})

const encryptions: S3Encryption[] = [
  { type: 'sse-s3' },
  { type: 'sse-kms', keyId: 'stowage-key', context: { dataset: 'cats' } },
]

/** What the store says of an object that is encrypted so. */
const told = ({ type }: S3Encryption): object =>
  type === 'sse-s3'
    ? { ServerSideEncryption: 'AES256' }
    : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'arn:aws:kms:stowage-key' }

function suites(own: OwnServer): void {
  afterAll(() => own.stop())
  const { endpoint, accessKey, secretKey, region } = own

  for (const dataPath of ['lean', 'sdk'] as const) {
    it(`objects are encrypted by the store and read back as they were (${dataPath})`, async () => {
      const bucket = await freshBucket(own)
      const options = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey, dataPath }
      const plain = minio(options)
      const bytes = patternBytes(6_000_000)
      for (const encryption of encryptions) {
        const adapter = minio({ ...options, encryption })
        await adapter.put('put', bytes)
        const { uploadId } = await adapter.multipart.create('parts')
        const parts = [
          await adapter.multipart.uploadPart('parts', uploadId, 1, bytes),
          await adapter.multipart.uploadPart('parts', uploadId, 2, streamOf(bytes), { size: bytes.length }),
        ]
        await adapter.multipart.complete('parts', uploadId, parts)
        await plain.put('plain', text('to be copied'))
        await adapter.copy('plain', 'copied')
        expect((await readBytes(adapter, 'put')).equals(bytes)).toBe(true)
        expect((await readBytes(plain, 'put', { start: 5, length: 10 })).equals(bytes.subarray(5, 15))).toBe(true)
        expect(
          (await readBytes(adapter, 'parts', { start: 5_999_999, length: 2 })).equals(
            Buffer.from([bytes[5_999_999] as number, bytes[0] as number]),
          ),
        ).toBe(true)
        expect((await readBytes(adapter, 'copied')).toString()).toBe('to be copied')
        for (const key of ['put', 'parts', 'copied']) {
          expect(await encryptionOf(own, bucket.name, key)).toMatchObject(told(encryption))
        }
        const unknown = minio({ ...options, encryption: { type: 'sse-kms', keyId: 'no-such-key' } })
        await expectCode(unknown.put('x', text('x')), 'configuration')
        await Promise.all([adapter.close(), unknown.close()])
      }
      await plain.close()
    })
  }

  it('a presigned put is encrypted as the source says, and refused when it is not to be', async () => {
    const bucket = await freshBucket(own)
    const options = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey }
    for (const encryption of encryptions) {
      const adapter = minio({ ...options, encryption })
      const body = 'put by who has the URL'
      const key = `${encryption.type}.txt`
      const { url, headers } = await adapter.presign({ method: 'put', key, expiresIn: 600, contentType: 'text/plain' })
      for (const name of Object.keys(headers).filter((one) => one.includes('encryption'))) {
        const { [name]: _, ...left } = headers
        expect([400, 403], `without ${name}`).toContain(
          (await fetch(url, { method: 'PUT', headers: left, body })).status,
        )
      }
      const other = { ...headers, 'x-amz-server-side-encryption': encryption.type === 'sse-s3' ? 'aws:kms' : 'AES256' }
      expect((await fetch(url, { method: 'PUT', headers: other, body })).status).toBe(403)
      expect(await exists(adapter, key)).toBe(false)
      expect((await fetch(url, { method: 'PUT', headers, body })).status).toBe(200)
      expect((await readBytes(adapter, key)).toString()).toBe(body)
      expect(await encryptionOf(own, bucket.name, key)).toMatchObject(told(encryption))
      await adapter.close()
    }
  })

  testAdapter({
    name: 'minio with encryption',
    create: async () => {
      const bucket = await freshBucket(own)
      const encryption: S3Encryption = { type: 'sse-kms', keyId: 'stowage-key' }
      const at = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey }
      const adapter = minio({ ...at, encryption, random: hasty })
      return {
        adapter,
        secret: secretKey,
        cleanup: async () => {
          await adapter.close()
          await bucket.remove()
        },
      }
    },
  })
}

async function encryptionOf({ endpoint, accessKey, secretKey, region }: OwnServer, bucket: string, key: string) {
  const { HeadObjectCommand, S3Client } = await import('@aws-sdk/client-s3')
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  try {
    return await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  } finally {
    client.destroy()
  }
}

if (server instanceof Error) it('needs minio', ({ skip }) => skip(server.message))
else suites(server)
