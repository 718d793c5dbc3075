import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesystem } from '@stowage/adapters/filesystem'
import { memory } from '@stowage/adapters/memory'
import { minio } from '@stowage/adapters/minio'
import { at, type StorageAdapter } from '@stowage/core'
import { expectCode, testSyncStore } from '@stowage/core/testing'
import { createSync, objectStore } from '@stowage/sync'
import { freshBucket, tempDir, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'

// The store's rules stand in @stowage/core, the store in @stowage/sync, the buckets it may lie in here.

function suite(name: string, open: () => Promise<StorageAdapter>): void {
  testSyncStore({
    name,
    create: async () => {
      const adapter = await open()
      return {
        store: objectStore(adapter),
        reopen: async () => objectStore(adapter),
        cleanup: () => adapter.close(),
      }
    },
  })
}

suite('a bucket in memory', async () => memory({ id: 'state' }))
suite('a folder', async () => filesystem({ id: 'state', root: tempDir('state') }))

await withMinio((server) => {
  const open = async (bucket: string, id = 'state'): Promise<StorageAdapter> => {
    const { endpoint, accessKey, secretKey } = server
    return minio({ id, endpoint, bucket, accessKey, secretKey })
  }

  suite('a bucket of MinIO', async () => open((await freshBucket(server)).name))

  it('carries a sync from one machine to the next, with nothing between them but the bucket', async () => {
    const root = tempDir('photos')
    mkdirSync(join(root, 'raw'))
    for (let i = 0; i < 40; i++) writeFileSync(join(root, 'raw', `${i}.jpg`), Buffer.alloc(1000 + i, i))
    const disk = filesystem({ id: 'disk', root })
    const bucket = (await freshBucket(server)).name
    const lan = await open(bucket, 'lan')
    const machine = (name: string) => {
      const identity = { host: name, bootId: name, pid: 1, startTime: '1' }
      return createSync({ store: objectStore(lan), owner: { identity, isDead: () => false } })
    }
    const places = { from: at(disk, 'raw'), to: at(lan, 'raw') }
    const [first, second] = [machine('one'), machine('two')]

    let left = 10
    const stop = new AbortController()
    const stopped = first.run({
      ...places,
      concurrency: 1,
      signal: stop.signal,
      onSettled: async (objects) => {
        left -= objects.length
        if (left <= 0) stop.abort()
      },
    })
    const early = await stopped
    const rest = await second.run(places)
    expect(rest.status).toBe('success')
    const total = 40 * 1000 + (40 * 39) / 2
    expect(early.bytes.transferred + rest.bytes.transferred).toBe(total)
    expect((await first.run(places)).objects).toMatchObject({ copied: 0, skipped: 40 })
    let tasks = 0
    for await (const _ of second.tasks.list()) tasks++
    expect(tasks).toBeGreaterThan(0)

    const both = await Promise.allSettled([first.run(places), second.run(places)])
    const refused = both.filter((one) => one.status === 'rejected')
    for (const { reason } of refused) await expectCode(Promise.reject(reason), 'lease-held')
    expect(refused.length).toBeLessThan(2)
    await Promise.all([disk.close(), lan.close()])
  })
})
