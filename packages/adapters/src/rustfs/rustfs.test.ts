import { freshBucket, withRustfs } from '@stowage/test-support'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type RustfsOptions, rustfs } from './index.ts'

await withRustfs(async (server) => {
  async function create(dataPath: 'lean' | 'sdk'): Promise<AdapterUnderTest> {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = server
    const at = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey }
    const options: RustfsOptions = { ...at, dataPath, random: hasty }
    const adapter = rustfs(options)
    return {
      adapter,
      secret: secretKey,
      copySources: (key) => [{ 'x-amz-copy-source': encodeURI(`/${bucket.name}/${key}`) }],
      createBroken: () => rustfs({ ...options, secretKey: `${secretKey}-not` }),
      createMissing: () => rustfs({ ...options, bucket: `${bucket.name}-not` }),
      createDead: () => rustfs({ ...options, endpoint: 'http://127.0.0.1:1' }),
      createWithClock: (clock) => rustfs({ ...options, clock }),
      cleanup: async () => {
        await adapter.close()
        await bucket.remove()
      },
    }
  }

  for (const path of ['lean', 'sdk'] as const) testAdapter({ name: `rustfs (${path})`, create: () => create(path) })
})
