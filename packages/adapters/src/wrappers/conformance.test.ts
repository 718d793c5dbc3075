import type { StorageAdapter } from '@stowage/core'
import { freshBucket, withMinio } from '@stowage/test-support'
import { memory } from '../memory/index.ts'
import { minio } from '../minio/index.ts'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { circuitBreaker, limitBandwidth, limitConcurrency, meter, watchCalls } from './index.ts'

/** All of them, in the order in which the front door puts them. */
function wrapped(adapter: StorageAdapter): StorageAdapter {
  const measured = meter(adapter, { onCall: () => {} })
  const paced = limitBandwidth(measured, { up: 1e12, down: 1e12 })
  const limited = limitConcurrency(circuitBreaker(paced), { concurrency: 2, control: 1, patienceMs: 20 })
  return watchCalls(limited, { began: () => true, ended: () => {} })
}

testAdapter({
  name: 'memory, wrapped',
  create: async () => {
    const adapter = wrapped(memory({ id: 'wrapped' }))
    return { adapter, cleanup: () => adapter.close() }
  },
})

await withMinio(async (server) => {
  async function create(): Promise<AdapterUnderTest> {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = server
    const options = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey, random: hasty }
    const adapter = wrapped(minio(options))
    return {
      adapter,
      secret: secretKey,
      createBroken: () => wrapped(minio({ ...options, secretKey: `${secretKey}-not` })),
      createMissing: () => wrapped(minio({ ...options, bucket: `${bucket.name}-not` })),
      createDead: () => wrapped(minio({ ...options, endpoint: 'http://127.0.0.1:1' })),
      createWithClock: (clock) => wrapped(minio({ ...options, clock })),
      cleanup: async () => {
        await adapter.close()
        await bucket.remove()
      },
    }
  }

  testAdapter({ name: 'minio, wrapped', create })
})
