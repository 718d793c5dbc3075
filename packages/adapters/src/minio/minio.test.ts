import { createMinioUser, freshBucket, withMinio } from '@stowage/test-support'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type MinioOptions, minio } from './index.ts'

await withMinio(async (server) => {
  async function create(more: Partial<MinioOptions>, signer = server): Promise<AdapterUnderTest> {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = signer
    const options: MinioOptions = {
      id: 'lan',
      endpoint,
      region,
      bucket: bucket.name,
      accessKey,
      secretKey,
      random: hasty,
      ...more,
    }
    const adapter = minio(options)
    return {
      adapter,
      secret: secretKey,
      copySources: (key) => [{ 'x-amz-copy-source': encodeURI(`/${bucket.name}/${key}`) }],
      createBroken: () => minio({ ...options, secretKey: `${secretKey}-not` }),
      createMissing: () => minio({ ...options, bucket: `${bucket.name}-not` }),
      createDead: () => minio({ ...options, endpoint: 'http://127.0.0.1:1' }),
      createWithClock: (clock) => minio({ ...options, clock }),
      cleanup: async () => {
        await adapter.close()
        await bucket.remove()
      },
    }
  }

  for (const dataPath of ['lean', 'sdk'] as const) {
    testAdapter({ name: `minio (${dataPath})`, create: () => create({ dataPath }) })
  }
  const user = await createMinioUser(server)
  testAdapter({ name: 'minio that narrows what it presigns', create: () => create({ narrowing: {} }, user) })
})
