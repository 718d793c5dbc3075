import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { minio } from '@stowage/adapters/minio'
import { freshBucket, runCli, runs, startCli, startProxy, tempDir, until, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'

const MIB = 1024 * 1024
const large = 24 * MIB
const small = 40

function filled(size: number, seed: string): Buffer {
  return Buffer.alloc(size, createHash('sha256').update(seed).digest())
}

await withMinio((server) => {
  it(
    'sync --two-way killed with -9, edited meanwhile and started again takes none of its own writes for an edit',
    async () => {
      const { accessKey, secretKey } = server
      for (let kill = 0; kill < runs(2, 8); kill++) {
        const cwd = tempDir('two-way-kill')
        const bucket = await freshBucket(server)
        const proxy = await startProxy({ target: server.endpoint })
        const lan = minio({ id: 'lan', endpoint: server.endpoint, bucket: bucket.name, accessKey, secretKey })
        const disk = join(cwd, 'disk')
        mkdirSync(disk)
        const sources = [
          { id: 'disk', type: 'filesystem', root: './disk' },
          { id: 'lan', type: 'minio', endpoint: proxy.endpoint, bucket: bucket.name, accessKey, secretKey },
        ]
        writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources }))
        writeFileSync(join(disk, 'large-here'), filled(large, 'here'))
        await lan.put('out/large-there', filled(large, 'there'))
        for (let i = 0; i < small; i++) {
          writeFileSync(join(disk, `here-${i}`), `here ${i}`)
          await lan.put(`out/there-${i}`, Buffer.from(`there ${i}`))
        }

        const args = ['sync', 'disk:', 'lan:out', '--two-way', '--json', '--part-size', String(8 * MIB)]
        proxy.throttle(24 * MIB)
        const first = startCli(args, { cwd })
        let ended = false
        void first.done.then(() => {
          ended = true
        })
        const enough = 2 * large * (0.1 + (0.8 * kill) / runs(2, 8))
        const passed = (): number => proxy.bytesUp + proxy.bytesDown
        await until('enough has passed', () => ended || passed() >= enough, { everyMs: 5, seen: passed })
        expect(ended, 'the first run must be killed before its end').toBe(false)
        await first.kill()
        proxy.throttle(Number.POSITIVE_INFINITY)

        for (let i = 0; i < 5; i++) {
          writeFileSync(join(disk, `here-${i}`), `edited ${i}`)
          await lan.put(`out/there-${i}`, Buffer.from(`EDITED ${i}`))
          rmSync(join(disk, `here-${10 + i}`))
          await lan.delete(`out/there-${10 + i}`)
        }
        const second = await runCli(args, { cwd })
        expect(second.stderr).toBe('')
        expect(JSON.parse(second.stdout)).toMatchObject({ status: 'success', objects: { conflicts: 0, failed: 0 } })
        const verify = await runCli(['verify', 'disk:', 'lan:out', '--json'], { cwd })
        expect(JSON.parse(verify.stdout)).toMatchObject({ identical: true, objects: { same: 2 * (small - 5) + 2 } })
        const { size } = await lan.head('out/here-0')
        expect(size).toBe('edited 0'.length)
        expect(await lan.multipart.list('out/large-here')).toEqual([])
        const third = await runCli(args, { cwd })
        expect(JSON.parse(third.stdout)).toMatchObject({ objects: { copied: 0, deleted: 0, conflicts: 0 } })
        await lan.close()
      }
    },
    runs(600_000, 900_000),
  )
})
