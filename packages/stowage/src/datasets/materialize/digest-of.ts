import { DigestBuilder, type FileSystem, type ManifestEntry, throwIfAborted } from '@stowage/core'

const PIECE = 1024 * 1024

/** Whether the bytes of a file are those of an entry. */
export async function hasDigest(
  fs: FileSystem,
  path: string,
  { digest, size }: Pick<ManifestEntry, 'digest' | 'size'>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const builder = new DigestBuilder()
  const handle = await fs.open(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, size + 1))
    for (;;) {
      throwIfAborted(signal)
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, builder.size)
      if (bytesRead === 0) break
      builder.update(buffer.subarray(0, bytesRead))
      if (builder.size > size) return false
    }
  } finally {
    await handle.close()
  }
  return builder.size === size && builder.finish().digest === digest
}
