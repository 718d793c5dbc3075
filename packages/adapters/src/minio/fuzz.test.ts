import { freshBucket, runs, withMinio } from '@stowage/test-support'
import { fuzzAdapter } from '../testing/fuzz/fuzz.ts'
import { minio } from './index.ts'

await withMinio(async (server) => {
  const { endpoint, accessKey, secretKey, region } = server
  for (const dataPath of ['lean', 'sdk'] as const) {
    const shared = { id: 'lan', region, accessKey, secretKey, dataPath }
    fuzzAdapter({
      name: `minio (${dataPath})`,
      count: runs(200, 10_000),
      createAt: (counting) => minio({ ...shared, endpoint: counting, bucket: 'counting', attempts: 1 }),
      create: async () => {
        const bucket = await freshBucket(server)
        const adapter = minio({ ...shared, endpoint, bucket: bucket.name })
        return {
          adapter,
          cleanup: async () => {
            await adapter.close()
            await bucket.remove()
          },
        }
      },
    })
  }
})
