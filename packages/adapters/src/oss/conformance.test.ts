import { randomBytes } from 'node:crypto'
import { resolveLocalhost, startOssDouble } from '@stowage/test-support'
import { afterAll, it } from 'vitest'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type OssOptions, oss } from './index.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

for (const signatureVersion of ['v4', 'v1'] as const) {
  async function create(): Promise<AdapterUnderTest> {
    const { accessKey, secretKey, region, endpoint } = double
    const bucket = double.createBucket()
    const keys = { accessKey, secretKey, signatureVersion }
    const options: OssOptions = { id: 'cloud', endpoint, region, bucket, ...keys, random: hasty }
    const adapter = oss(options)
    return {
      adapter,
      storageClass: 'Standard',
      secret: secretKey,
      copySources: (key) => [{ 'x-oss-copy-source': encodeURI(`/${bucket}/${key}`) }],
      createBroken: () => oss({ ...options, secretKey: `${secretKey}-not` }),
      createMissing: () => oss({ ...options, bucket: `${bucket}-not` }),
      createDead: () => oss({ ...options, endpoint: 'http://oss-cn-hangzhou.localhost:1' }),
      createWithClock: (clock) => oss({ ...options, clock }),
      cleanup: () => adapter.close(),
    }
  }

  testAdapter({ name: `oss with signature ${signatureVersion}`, create })
}

const { env } = process
const real = ['ENDPOINT', 'BUCKET', 'REGION', 'AK', 'SK'].map((name) => env[`STOWAGE_TEST_OSS_${name}`])
const [endpoint, bucket, region, accessKey, secretKey] = real

if (endpoint && bucket && region && accessKey && secretKey) {
  const options: OssOptions = { id: 'cloud', endpoint, bucket, region, accessKey, secretKey }
  testAdapter({
    name: 'oss, the real one',
    timeoutMs: 600_000,
    create: async () => {
      const adapter = oss(options)
      return {
        adapter,
        storageClass: 'Standard',
        secret: secretKey,
        createBroken: () => oss({ ...options, secretKey: `${secretKey}-not` }),
        createMissing: () => oss({ ...options, bucket: `stowage-${randomBytes(12).toString('hex')}` }),
        createWithClock: (clock) => oss({ ...options, clock }),
        cleanup: async () => {
          const mine = oss(options)
          for await (const page of mine.list({ prefix: 'case-' }))
            await mine.deleteMany(page.objects.map(({ key }) => key))
          await mine.delete('a')
          await mine.close()
          await adapter.close()
        },
      }
    },
  })
} else {
  it('needs a real bucket', ({ skip }) => {
    skip('OSS itself: STOWAGE_TEST_OSS_ENDPOINT, _BUCKET, _REGION, _AK and _SK name no bucket; the double was tested')
  })
}
