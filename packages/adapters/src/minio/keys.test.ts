import { checkKey } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { freshBucket, withMinio } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { s3 } from '../s3/index.ts'
import { text } from '../testing/bytes.ts'
import { minio } from './index.ts'

await withMinio(async (server) => {
  it.each(['.\\Z', 'a\\.\\b', 'a\\..', ' ./a', 'a/. ', '..\t/a'])(
    '%j is refused by MinIO, and so by us',
    async (key) => {
      const bucket = await freshBucket(server)
      const { endpoint, accessKey, secretKey, region } = server
      const options = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey }
      const [asS3, asMinio] = [s3(options), minio(options)]
      onTestFinished(async () => {
        await asS3.close()
        await asMinio.close()
        await bucket.remove()
      })
      await expectCode(asS3.put(key, text('x')), 'invalid-key', 'invalid-request')
      expect(checkKey(key, asMinio.capabilities.keys)).toContain('"."')
    },
  )
})
