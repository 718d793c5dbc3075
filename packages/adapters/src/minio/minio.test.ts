import { freshBucket, withMinio } from '@stowage/test-support'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type MinioOptions, minio } from './index.ts'

await withMinio(async (server) => {
  async function create(dataPath: 'lean' | 'sdk'): Promise<AdapterUnderTest> {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = server
    const options: MinioOptions = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey, dataPath }
    const adapter = minio(options)
    return {
      adapter,
      secret: secretKey,
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

  for (const path of ['lean', 'sdk'] as const) testAdapter({ name: `minio (${path})`, create: () => create(path) })
})
