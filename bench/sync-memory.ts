import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freshBucket, startMinio } from '@stowage/test-support'
import { withLargeFile } from './large-file.ts'

const MIB = 1024

/** Peak resident memory of `stowage sync` with one object of 1 GiB, to a folder and to MinIO, and with a quarter of it for comparison. */
export async function benchSyncMemory(): Promise<void> {
  await using server = await startMinio()
  for (const mib of [MIB / 4, MIB]) {
    await withLargeFile(mib, async (folder) => {
      await using bucket = await freshBucket(server)
      await mkdir(join(folder, 'target'))
      const { endpoint, accessKey, secretKey } = server
      const sources = [
        { id: 'disk', type: 'filesystem', root: './source' },
        { id: 'other', type: 'filesystem', root: './target' },
        { id: 'lan', type: 'minio', endpoint, bucket: bucket.name, accessKey, secretKey },
      ]
      await writeFile(join(folder, 'stowage.config.json'), JSON.stringify({ sources }))
      for (const target of ['other', 'lan']) {
        const { peakMib, seconds } = await run(folder, ['sync', 'disk:', `${target}:copy`, '--json'])
        process.stdout.write(
          `  ${mib} MiB to ${target === 'lan' ? 'MinIO' : 'a folder'}: peak ${peakMib.toFixed(0)} MiB resident (aim: below 300), ${seconds.toFixed(1)} s\n`,
        )
      }
    })
  }
}

async function run(cwd: string, args: string[]): Promise<{ peakMib: number; seconds: number }> {
  const bin = join(import.meta.dirname, '../packages/stowage/bin/stowage.js')
  const started = performance.now()
  const child = spawn(process.execPath, [bin, ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  let peak = 0
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0))
  }, 20)
  const [code] = await once(child, 'exit')
  clearInterval(timer)
  if (code !== 0) throw new Error(`stowage ${args.join(' ')} ended with ${code}`)
  return { peakMib: peak / 1024, seconds: (performance.now() - started) / 1000 }
}
