import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, type OwnServer, ServerUnavailable, startMinio, tempDir } from '@stowage/test-support'
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterAll, it } from 'vitest'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type MinioOptions, minio } from './index.ts'

const server = await startMinio({ tls: true }).catch((error: unknown) => {
  if (error instanceof ServerUnavailable && process.env['CI'] !== 'true') return error
  throw error
})

function suites(own: OwnServer): void {
  // Whoever uses a presigned URL has to trust the server too.
  const before = getGlobalDispatcher()
  const trusting = new Agent({ connect: { ca: own.ca ?? '' } })
  setGlobalDispatcher(trusting)
  afterAll(async () => {
    setGlobalDispatcher(before)
    await trusting.close()
    await own.stop()
  })
  const ca = join(tempDir('ca'), 'ca.pem')
  writeFileSync(ca, own.ca ?? '')

  async function create(dataPath: 'lean' | 'sdk'): Promise<AdapterUnderTest> {
    const bucket = await freshBucket(own)
    const { endpoint, accessKey, secretKey, region } = own
    const at = { id: 'lan', endpoint, region, bucket: bucket.name, random: hasty }
    const options: MinioOptions = { ...at, accessKey, secretKey, dataPath, tls: { ca } }
    const adapter = minio(options)
    return {
      adapter,
      secret: secretKey,
      copySources: (key) => [{ 'x-amz-copy-source': encodeURI(`/${bucket.name}/${key}`) }],
      createBroken: () => minio({ ...options, secretKey: `${secretKey}-not` }),
      createMissing: () => minio({ ...options, bucket: `${bucket.name}-not` }),
      createDead: () => minio({ ...options, endpoint: 'https://127.0.0.1:1' }),
      createWithClock: (clock) => minio({ ...options, clock }),
      cleanup: async () => {
        await adapter.close()
        await bucket.remove()
      },
    }
  }

  for (const path of ['lean', 'sdk'] as const)
    testAdapter({ name: `minio over TLS (${path})`, create: () => create(path) })
}

if (server instanceof Error) it('needs minio', ({ skip }) => skip(server.message))
else suites(server)
