import { BLOCK_SIZE, blocksKey, digestStream, type StorageAdapter } from '@stowage/core'
import type { SettledObject } from '@stowage/sync'
import { keepBlocks } from '../blocks.ts'
import { exists } from '../objects.ts'

/**
 * The identity of a settled object. After a crash it may be known only by its bytes: then they are read once more.
 * @param path of the replica, to which the key is relative
 */
export async function identify(
  adapter: StorageAdapter,
  path: string,
  key: string,
  object: SettledObject,
  signal: AbortSignal | undefined,
): Promise<{ digest: string; size: number }> {
  const { digest, blocks, size } = object
  if (digest !== undefined && size <= BLOCK_SIZE) return { digest, size }
  if (digest !== undefined && blocks !== undefined) {
    await keepBlocks(adapter, path, { digest, blocks, size }, signal)
    return { digest, size }
  }
  if (digest !== undefined && (await exists(adapter, path + blocksKey(digest), signal))) return { digest, size }
  const { body } = await adapter.get(path + key, signal === undefined ? {} : { signal })
  const read = await digestStream(body)
  await keepBlocks(adapter, path, read, signal)
  return read
}
