import { resolveLocalhost, runs, startOssDouble } from '@stowage/test-support'
import { afterAll } from 'vitest'
import { fuzzAdapter } from '../testing/fuzz/fuzz.ts'
import { type OssOptions, oss } from './index.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

for (const signatureVersion of ['v4', 'v1'] as const) {
  const { accessKey, secretKey, region } = double
  const shared = { id: 'cloud', region, accessKey, secretKey, signatureVersion }
  fuzzAdapter({
    name: `oss with signature ${signatureVersion}`,
    count: runs(200, 10_000),
    host: 'oss-cn-hangzhou.localhost',
    createAt: (endpoint) => oss({ ...shared, endpoint, bucket: 'counting', attempts: 1 }),
    create: async () => {
      const options: OssOptions = { ...shared, endpoint: double.endpoint, bucket: double.createBucket() }
      const adapter = oss(options)
      return { adapter, cleanup: () => adapter.close() }
    },
  })
}
