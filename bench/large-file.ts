import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A scratch folder with one file of this many MiB, removed afterwards. */
export async function withLargeFile(mib: number, use: (folder: string, path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  try {
    const path = join(folder, 'source', 'large.bin')
    await mkdir(join(folder, 'source'))
    const file = await open(path, 'w')
    const piece = Buffer.alloc(1024 * 1024, createHash('sha256').update('large').digest())
    for (let i = 0; i < mib; i++) {
      piece.writeUInt32BE(i)
      await file.write(piece)
    }
    await file.close()
    await use(folder, path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
