import { mkdir, rename, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceConfig } from 'stowage'

/** The source near the GPUs, which this program breaks in the middle of a read. */
export interface Inside {
  source: SourceConfig
  /** What breaking it means, in words. */
  how: string
  break(largeFileKey: string): Promise<void>
  mend(): Promise<void>
  stop(): Promise<void>
}

const common = { id: 'minio-inside', region: 'cn-shenzhen', priority: 10 } as const

/** A folder. Broken: the open file loses its second half and the whole folder goes away, as with a disk that dies. */
export async function folderInside(scratch: string): Promise<Inside> {
  const root = join(scratch, 'minio-inside')
  const gone = join(scratch, 'minio-inside.gone')
  await mkdir(root)
  return {
    source: { ...common, type: 'filesystem', root },
    how: 'its disk loses the second half of the open file and then the whole folder',
    async break(key) {
      await truncate(join(root, key), 20 * 1024 * 1024)
      await rename(root, gone)
    },
    mend: () => rename(gone, root),
    stop: async () => undefined,
  }
}

/** A real MinIO server. Broken: killed with SIGKILL. */
export async function minioInside(): Promise<Inside> {
  const { freshBucket, startMinio } = await import('@stowage/test-support')
  const server = await startMinio()
  const bucket = await freshBucket(server)
  const { accessKey, secretKey, endpoint } = server
  return {
    source: { ...common, type: 'minio', endpoint, bucket: bucket.name, accessKey, secretKey },
    how: 'the MinIO server is killed with SIGKILL',
    break: () => server.kill(),
    mend: () => server.restart(),
    stop: () => server.stop(),
  }
}
