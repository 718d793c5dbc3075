import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { minio as minioAdapter } from '@stowage/adapters/minio'
import {
  freshBucket,
  runCli,
  runs,
  startCli,
  startProxy,
  type TestServer,
  tempDir,
  until,
  withMinio,
} from '@stowage/test-support'
import { expect, it } from 'vitest'

const MIB = 1024 * 1024
const PART = 8 * MIB
const CONCURRENCY = 3
const SIZE = runs(64, 200) * MIB + 12_345

/** A file whose parts all differ. */
function writeLarge(path: string): void {
  const file = openSync(path, 'w')
  let left = SIZE
  for (let i = 0; left > 0; i++) {
    const piece = Buffer.alloc(Math.min(MIB, left), createHash('sha256').update(String(i)).digest())
    writeSync(file, piece)
    left -= piece.length
  }
  closeSync(file)
}

function configure(cwd: string, server: TestServer, endpoint: string, bucket: string): void {
  const { accessKey, secretKey } = server
  mkdirSync(join(cwd, 'disk'))
  writeFileSync(
    join(cwd, 'stowage.config.json'),
    JSON.stringify({
      sources: [
        { id: 'disk', type: 'filesystem', root: './disk' },
        { id: 'lan', type: 'minio', endpoint, bucket, accessKey, secretKey },
      ],
    }),
  )
}

await withMinio((server) => {
  it('killed with -9 in a large object and started again: only the parts in flight are sent again, counted on the wire', async () => {
    const bucket = await freshBucket(server)
    const cwd = tempDir('kill')
    const proxy = await startProxy({ target: server.endpoint })
    configure(cwd, server, proxy.endpoint, bucket.name)
    writeLarge(join(cwd, 'disk', 'large.bin'))
    const args = [
      'sync',
      'disk:',
      'lan:raw',
      '--json',
      '--part-size',
      String(PART),
      '--concurrency',
      String(CONCURRENCY),
    ]

    proxy.throttle(16 * MIB)
    const first = startCli(args, { cwd })
    let ended = false
    void first.done.then(() => {
      ended = true
    })
    await until('most of it is sent', () => ended || proxy.bytesUp >= SIZE * 0.6, {
      everyMs: 5,
      seen: () => proxy.bytesUp,
    })
    expect(ended, 'the first run must be killed before its end').toBe(false)
    await first.kill()
    const sentBefore = proxy.bytesUp

    proxy.resetCounts()
    proxy.throttle(Number.POSITIVE_INFINITY)
    const second = await runCli(args, { cwd })
    expect(second.stderr).toBe('')
    expect(second.code).toBe(0)
    const result = JSON.parse(second.stdout)
    expect(result).toMatchObject({ status: 'success', objects: { copied: 1, failed: 0 } })
    // Bytes on the wire of both runs: the object once, the parts that were in flight when it was killed, and headers.
    expect(sentBefore + proxy.bytesUp).toBeLessThanOrEqual(SIZE + CONCURRENCY * PART + 2 * MIB)
    expect(result.bytes.transferred + result.bytes.resumed).toBe(SIZE)
    expect(result.bytes.resumed).toBeGreaterThan(0)

    const adapter = minioAdapter({
      id: 'lan',
      endpoint: server.endpoint,
      bucket: bucket.name,
      accessKey: server.accessKey,
      secretKey: server.secretKey,
    })
    expect(await adapter.multipart.list('raw/large.bin')).toEqual([])
    await adapter.close()
    const verify = await runCli(['verify', 'disk:', 'lan:raw', '--json'], { cwd })
    expect(JSON.parse(verify.stdout)).toMatchObject({ identical: true, objects: { same: 1 }, bytes: 2 * SIZE })
    const again = await runCli(args, { cwd })
    expect(JSON.parse(again.stdout)).toMatchObject({ objects: { copied: 0, skipped: 1 }, bytes: { transferred: 0 } })
  })

  it('SIGTERM ends with 75, and the same command goes on', async () => {
    const bucket = await freshBucket(server)
    const cwd = tempDir('term')
    const proxy = await startProxy({ target: server.endpoint })
    configure(cwd, server, proxy.endpoint, bucket.name)
    writeLarge(join(cwd, 'disk', 'large.bin'))
    const args = [
      'sync',
      'disk:',
      'lan:raw',
      '--json',
      '--part-size',
      String(PART),
      '--concurrency',
      String(CONCURRENCY),
    ]
    proxy.throttle(16 * MIB)
    const first = startCli(args, { cwd })
    await until('most of it is sent', () => proxy.bytesUp >= SIZE * 0.6, { everyMs: 5, seen: () => proxy.bytesUp })
    first.process.kill('SIGTERM')
    const stopped = await first.done
    expect(stopped.code).toBe(75)
    expect(JSON.parse(stopped.stdout)).toMatchObject({ status: 'paused' })
    proxy.throttle(Number.POSITIVE_INFINITY)
    const second = await runCli(args, { cwd })
    expect(JSON.parse(second.stdout)).toMatchObject({ status: 'success', taskId: JSON.parse(stopped.stdout).taskId })
    expect(proxy.bytesUp).toBeLessThanOrEqual(SIZE + CONCURRENCY * PART + 2 * MIB)
  })
})
