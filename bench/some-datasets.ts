import type { DatasetHandle, Datasets } from 'stowage'

export const MIB: number = 1024 * 1024

/** Datasets that are measured: few large files, and many small ones. */
export const someDatasets: Readonly<Record<string, { files: number; size: number }>> = {
  '1 GiB in 4 files': { files: 4, size: 256 * MIB },
  '10,000 x 4 KiB': { files: 10_000, size: 4096 },
}

/** Publishes a dataset of so many files of this size, no two alike. */
export async function publishSome(
  datasets: Datasets,
  name: string,
  files: number,
  size: number,
): Promise<{ dataset: DatasetHandle; version: number }> {
  const dataset = await datasets.create({ name })
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
  return { dataset, version: number }
}
