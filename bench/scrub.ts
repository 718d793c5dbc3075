import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshBucket, startMinio } from '@stowage/test-support'
import { createStowage, type Stowage } from 'stowage'
import { median } from './large-file.ts'

const MIB = 1024 * 1024
const RUNS = 3

const shapes = {
  '1 GiB in 4 files': { files: 4, size: 256 * MIB },
  '10,000 x 4 KiB': { files: 10_000, size: 4096 },
}

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
    for (const [name, { files, size }] of Object.entries(shapes)) {
      const id = await publish(stowage, name, files, size)
      for (const sourceId of ['folder', 'minio']) await measure(stowage, id, sourceId, name)
    }
  } finally {
    await stowage.close()
    await bucket.remove()
    await rm(root, { recursive: true, force: true })
  }
}

async function publish(stowage: Stowage, name: string, files: number, size: number): Promise<string> {
  const dataset = await stowage.as({ userId: 'bench', userType: 'external' }).datasets.create({ name })
  const { draft } = await dataset.draft()
  const piece = Buffer.alloc(Math.min(size, MIB), 'stowage ')
  async function* bytesOf(file: number): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < size; sent += piece.length) {
      const bytes = Buffer.from(piece)
      bytes.writeUInt32BE(file * 1000 + sent / piece.length)
      yield bytes
    }
  }
  for (let file = 0; file < files; file += 16) {
    const some = Array.from({ length: Math.min(16, files - file) }, (_, i) => file + i)
    await Promise.all(some.map((one) => draft.put(`${one}`, bytesOf(one))))
  }
  const { number } = await dataset.publish(draft)
  await stowage.replicate(dataset.id, number, 'minio')
  return dataset.id
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
