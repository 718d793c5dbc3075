import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshBucket, startMinio } from '@stowage/test-support'
import { createStowage, type Stowage } from 'stowage'
import { median } from './large-file.ts'
import { MIB, publishSome, someDatasets } from './some-datasets.ts'

const RUNS = 3

/** What reading replicas against their digests costs: MB a second of CPU time of this process, on a folder and on a MinIO. */
export async function benchScrub(): Promise<void> {
  await using server = await startMinio()
  const bucket = await freshBucket(server)
  const root = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  const { endpoint, accessKey, secretKey, region } = server
  const stowage = await createStowage(
    {
      sources: [
        { id: 'folder', type: 'filesystem', root, isPublic: true },
        { id: 'minio', type: 'minio', endpoint, accessKey, secretKey, region, bucket: bucket.name, pathStyle: true },
      ],
    },
    { background: false },
  )
  try {
    for (const [name, { files, size }] of Object.entries(someDatasets)) {
      const { datasets } = stowage.as({ userId: 'bench', userType: 'external' })
      const { dataset, version } = await publishSome(datasets, name, files, size)
      await stowage.replicate(dataset.id, version, 'minio')
      for (const sourceId of ['folder', 'minio']) await measure(stowage, dataset.id, sourceId, name)
    }
  } finally {
    await stowage.close()
    await bucket.remove()
    await rm(root, { recursive: true, force: true })
  }
}

async function measure(stowage: Stowage, id: string, sourceId: string, name: string): Promise<void> {
  const cpu: number[] = []
  const wall: number[] = []
  let bytes = 0
  for (let run = 0; run <= RUNS; run++) {
    const [startedAt, used] = [performance.now(), process.cpuUsage()]
    const result = await stowage.verifyDataset(id, { sourceId })
    const { user, system } = process.cpuUsage(used)
    if (!result.clean) throw new Error(`${name} on ${sourceId} is not clean`)
    // The first round warms caches and the compiler.
    if (run === 0) continue
    cpu.push((user + system) / 1e6)
    wall.push((performance.now() - startedAt) / 1000)
    bytes = result.bytes
  }
  const [seconds, used] = [median(wall), median(cpu)]
  const rate = (time: number) => `${Math.round(bytes / MIB / time)} MiB`
  process.stdout.write(
    `  ${name}, ${sourceId}: ${rate(used)} a CPU second, ${rate(seconds)} a second (${seconds.toFixed(2)} s, median of ${RUNS})\n`,
  )
}
