import { freshBucket, runs, withRustfs } from '@stowage/test-support'
import { fuzzAdapter } from '../testing/fuzz/fuzz.ts'
import { rustfs } from './index.ts'

await withRustfs(async (server) => {
  const { endpoint, accessKey, secretKey, region } = server
  for (const dataPath of ['lean', 'sdk'] as const) {
    const shared = { id: 'lan', region, accessKey, secretKey, dataPath }
    fuzzAdapter({
      name: `rustfs (${dataPath})`,
      count: runs(200, 10_000),
      createAt: (counting) => rustfs({ ...shared, endpoint: counting, bucket: 'counting', attempts: 1 }),
      create: async () => {
        const bucket = await freshBucket(server)
        const adapter = rustfs({ ...shared, endpoint, bucket: bucket.name })
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
