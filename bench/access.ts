import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshBucket, startMinio } from '@stowage/test-support'
import { createStowage, type Datasets } from 'stowage'
import { median } from './large-file.ts'
import { publishSome, someDatasets } from './some-datasets.ts'

const RUNS = 3

/** What it costs to hand a version on: the manifest of a loader, and a folder by way of the cache beside a plain download, in turn. */
export async function benchAccess(): Promise<void> {
  await using server = await startMinio()
  const bucket = await freshBucket(server)
  const root = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  const { endpoint, accessKey, secretKey, region } = server
  const source = {
    type: 'minio',
    endpoint,
    accessKey,
    secretKey,
    region,
    bucket: bucket.name,
    pathStyle: true,
  } as const
  const stowage = await createStowage({ sources: [{ id: 'minio', ...source }] }, { background: false })
  try {
    const { datasets } = stowage.as({ userId: 'bench', userType: 'internal' })
    for (const [name, { files, size }] of Object.entries(someDatasets)) {
      const { id } = (await publishSome(datasets, name, files, size)).dataset
      await manifest(datasets, id, name, files)
      await folders(datasets, id, name, root)
    }
  } finally {
    await stowage.close()
    await bucket.remove()
    await rm(root, { recursive: true, force: true })
  }
}

async function manifest(datasets: Datasets, id: string, name: string, files: number): Promise<void> {
  const cpu: number[] = []
  let bytes = 0
  for (let run = 0; run <= RUNS; run++) {
    const used = process.cpuUsage()
    const { stream } = await datasets.access(id, { mode: 'manifest' })
    bytes = 0
    for await (const piece of stream as AsyncIterable<Uint8Array>) bytes += piece.length
    if (run > 0) cpu.push(cpuSince(used))
  }
  const each = (median(cpu) * 1e6) / files
  process.stdout.write(
    `  ${name}, manifest: ${each.toFixed(0)} us of CPU and ${Math.round(bytes / files)} bytes a file (median of ${RUNS})\n`,
  )
}

async function folders(datasets: Datasets, id: string, name: string, root: string): Promise<void> {
  const ways = {
    download: (to: string) => datasets.download(id, join(to, 'plain')),
    'first folder': (to: string) => datasets.materialize(id, { dir: join(to, 'one'), cacheDir: join(to, 'cache') }),
    'second folder': (to: string) => datasets.materialize(id, { dir: join(to, 'two'), cacheDir: join(to, 'cache') }),
    'same again': (to: string) => datasets.materialize(id, { dir: join(to, 'two'), cacheDir: join(to, 'cache') }),
  }
  const taken = new Map<string, { cpu: number[]; wall: number[] }>()
  for (let run = 0; run <= RUNS; run++) {
    const to = await mkdtemp(join(root, 'run-'))
    for (const [way, make] of Object.entries(ways)) {
      const [startedAt, used] = [performance.now(), process.cpuUsage()]
      await make(to)
      // The first round warms caches and the compiler.
      if (run === 0) continue
      const { cpu, wall } = taken.get(way) ?? { cpu: [], wall: [] }
      taken.set(way, {
        cpu: [...cpu, cpuSince(used)],
        wall: [...wall, (performance.now() - startedAt) / 1000],
      })
    }
    await rm(to, { recursive: true, force: true })
  }
  const plain = median(taken.get('download')?.wall ?? [])
  for (const [way, { cpu, wall }] of taken) {
    const seconds = median(wall)
    process.stdout.write(
      `  ${name}, ${way}: ${seconds.toFixed(2)} s, ${median(cpu).toFixed(2)} s of CPU (${(plain / seconds).toFixed(2)} times as fast as the download; median of ${RUNS})\n`,
    )
  }
}

function cpuSince(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1e6
}
