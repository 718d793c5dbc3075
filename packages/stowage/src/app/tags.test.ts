import { minio } from '@stowage/adapters/minio'
import { oss } from '@stowage/adapters/oss'
import { rustfs } from '@stowage/adapters/rustfs'
import { at, type StorageAdapter } from '@stowage/core'
import { createSync, memoryStore } from '@stowage/sync'
import {
  freshBucket,
  resolveLocalhost,
  startOssDouble,
  type TestServer,
  withMinio,
  withRustfs,
} from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'

resolveLocalhost()

const tags = { team: 'vision', licence: 'CC-BY 4.0' }
const large = 12 * 1024 * 1024

async function ossDouble(): Promise<StorageAdapter> {
  const double = await startOssDouble()
  onTestFinished(() => double.stop())
  const { endpoint, region, accessKey, secretKey } = double
  return oss({ id: 'oss', endpoint, region, bucket: double.createBucket(), accessKey, secretKey })
}

/** An object of one request and one in parts, both with tags, go from one store to the other. */
async function carries(from: StorageAdapter, to: StorageAdapter): Promise<void> {
  onTestFinished(async () => {
    await from.close()
    await to.close()
  })
  await from.put('raw/small', Buffer.from('x'), { tags })
  await from.put('raw/large', Buffer.alloc(large, 7), { tags: { of: 'large' } })
  await from.put('raw/plain', Buffer.from('y'))
  const sync = createSync({ store: memoryStore() })
  const ends = { from: at(from, 'raw'), to: at(to, 'raw') }
  expect(await sync.run(ends)).toMatchObject({ status: 'success', objects: { copied: 3 } })
  expect(await to.getTags('raw/small')).toEqual(tags)
  expect(await to.getTags('raw/large')).toEqual({ of: 'large' })
  expect(await to.getTags('raw/plain')).toEqual({})
  // Whatever etags the two make of the same bytes, nothing goes over again: by what is known of both, and by the target's own note of the origin.
  for (const again of [sync, sync, createSync({ store: memoryStore() })])
    expect(await again.run(ends)).toMatchObject({ objects: { copied: 0, skipped: 3 }, bytes: { transferred: 0 } })
}

async function bucketOf(
  server: TestServer,
  open: (options: {
    id: string
    endpoint: string
    bucket: string
    accessKey: string
    secretKey: string
  }) => StorageAdapter,
  id: string,
): Promise<StorageAdapter> {
  const bucket = await freshBucket(server)
  onTestFinished(() => bucket.remove())
  const { endpoint, accessKey, secretKey } = server
  return open({ id, endpoint, bucket: bucket.name, accessKey, secretKey })
}

await withMinio((server) => {
  it('a sync carries tags from MinIO to OSS, and back', async () => {
    await carries(await bucketOf(server, minio, 'lan'), await ossDouble())
    await carries(await ossDouble(), await bucketOf(server, minio, 'lan'))
  })
})

await withRustfs((server) => {
  it('a sync carries tags from RustFS, which does not count them, to OSS', async () => {
    await carries(await bucketOf(server, rustfs, 'rust'), await ossDouble())
  })
})
