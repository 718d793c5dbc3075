import { freshBucket, withMinio } from '@stowage/test-support'
import { minioQuirks } from '../minio/index.ts'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type S3Options, s3 } from './index.ts'

await withMinio(async (server) => {
  async function create(more: Partial<S3Options>): Promise<AdapterUnderTest> {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = server
    const at = { id: 'cloud', endpoint, region, bucket: bucket.name, accessKey, secretKey }
    const options: S3Options = { ...at, random: hasty, ...more }
    const adapter = s3(options)
    return {
      adapter,
      secret: secretKey,
      copySources: (key) => [{ 'x-amz-copy-source': encodeURI(`/${bucket.name}/${key}`) }],
      createBroken: () => s3({ ...options, secretKey: `${secretKey}-not` }),
      createMissing: () => s3({ ...options, bucket: `${bucket.name}-not` }),
      createDead: () => s3({ ...options, endpoint: 'http://127.0.0.1:1' }),
      createWithClock: (clock) => s3({ ...options, clock }),
      cleanup: async () => {
        await adapter.close()
        await bucket.remove()
      },
    }
  }

  // What only MinIO's own adapter knows beside its quirks, notifications and storage classes, no case asks for.
  testAdapter({ name: 's3 with the quirks of MinIO', create: () => create({ quirks: minioQuirks }) })

  // MinIO takes fewer keys than S3, which is why it has an adapter of its own; everything else must work through this one too.
  for (const path of ['lean', 'sdk'] as const) {
    testAdapter({
      name: `s3 on MinIO (${path})`,
      create: () => create({ dataPath: path }),
      knownGaps: [
        {
          test: 'lets who holds a presigned write do with it what it says, and read no other object',
          reason: 'MinIO follows a copy source that was not signed',
        },
        { test: 'deletes only the object with the given etag', reason: 'MinIO ignores If-Match on a delete' },
        { test: 'takes the doubtful keys that its rules allow', reason: 'MinIO refuses or folds them' },
        {
          test: 'uploads in parts under a key that ends in a slash, or refuses it',
          reason: 'MinIO refuses them',
        },
        {
          test: 'holds an object beside objects below it, or never loses the first of them',
          reason: 'MinIO leaves the objects below out of listings',
        },
        {
          test: 'takes prefixes and positions that end in dots, after slashes, backslashes and blanks',
          reason: 'MinIO refuses dot segments in prefixes',
        },
        { test: 'starts after any text, key or not', reason: 'MinIO refuses dot segments in positions' },
        { test: 'takes any text as a prefix, not only folders', reason: 'MinIO refuses dot segments in prefixes' },
      ],
    })
  }
})
