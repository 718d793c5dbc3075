import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freshBucket, startMinio } from '@stowage/test-support'
import { withLargeFile } from './large-file.ts'
import type { PlanFigures } from './sync-plan.ts'

const MIB = 1024

/** Keys of the simulated plans. */
const planned = [1_000_000, 10_000_000]

/** How Node is told to keep its memory: as the command line tells it, and as it does by itself. */
const settings = [
  { title: 'as the command line runs', kept: ['small'] },
  { title: 'as Node runs by itself', kept: [] },
]

/**
 * Peak resident memory of `stowage sync` with one object of 1 GiB, to a folder and to MinIO, and with a quarter of it for comparison; and of
 * plans of very many keys. `--plans` makes only those.
 */
export async function benchSyncMemory(): Promise<void> {
  if (!process.argv.includes('--plans')) await benchLargeObjects()
  for (const setting of settings) {
    for (const lanes of [1, 4]) for (const keys of planned) await benchPlan(keys, lanes, setting)
  }
}

async function benchPlan(keys: number, lanes: number, { title, kept }: (typeof settings)[number]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-plan-'))
  try {
    const script = join(import.meta.dirname, 'sync-plan.ts')
    const run = promisify(execFile)
    const args = [script, `${keys}`, `${lanes}`, folder, ...kept]
    const first = JSON.parse((await run(process.execPath, args)).stdout) as PlanFigures
    const again = JSON.parse((await run(process.execPath, args)).stdout) as PlanFigures
    const perKey = (await bytesBelow(folder)) / keys
    const billion = 1e9 / keys
    const hours = (seconds: number): string => ((seconds * billion) / 3600).toFixed(1)
    process.stdout.write(
      `  ${keys / 1e6} million keys on both sides, ${lanes === 1 ? 'one walk' : `partitions in ${lanes} lanes`}, ${title}: ` +
        `peak ${Math.max(first.peakMib, again.peakMib).toFixed(0)} MiB resident (aim: below 200), ` +
        `${first.seconds.toFixed(0)} s without a ledger, ${again.seconds.toFixed(0)} s with one of ${perKey.toFixed(1)} bytes a key; ` +
        `a billion: ${hours(first.seconds)} and ${hours(again.seconds)} h, ${((perKey * 1e9) / 1024 ** 3).toFixed(0)} GiB\n`,
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}

async function benchLargeObjects(): Promise<void> {
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
