import {
  BLOCK_SIZE,
  blocksKey,
  combineBlocks,
  digestStream,
  type FileDigest,
  readAll,
  type StorageAdapter,
  StowageError,
} from '@stowage/core'
import { SMALL_OBJECT, writeNamed } from './objects.ts'
import { type Asked, firstOf, type Place } from './places.ts'

/** What the digests of a file's blocks are checked against. */
export interface BlocksOf {
  path: string
  key: string
  digest: string
  size: number
}

/** Bytes of the block digests of a file of this size. */
function lengthFor(size: number): number {
  return Math.ceil(size / BLOCK_SIZE) * 32
}

/**
 * The block digests of a file of more than one block, from the first replica that has them whole. Where none has, they are computed from the
 * file itself, of the first replica whose bytes are right: dear, but a range of a file can be checked by nothing else.
 * @throws StowageError when no replica has the file whole either
 */
export async function blocksFor(
  places: readonly Place[],
  file: BlocksOf,
  context: Omit<Asked, 'name' | 'key'> & { signal?: AbortSignal | undefined },
): Promise<Uint8Array> {
  const { signal, ...asked } = context
  const key = blocksKey(file.digest)
  try {
    const name = `The list of block digests of "${file.path}"`
    return await firstOf(places, { ...asked, name, key }, async (_place, bytes) => {
      const blocks = await readAll(bytes(key, signal), SMALL_OBJECT)
      checkBlocks(file, blocks)
      return blocks
    })
  } catch (error) {
    if (signal?.aborted) throw error
  }
  const whole = { ...asked, name: `"${file.path}"`, key: file.key, onBad: undefined }
  return firstOf(places, whole, async (_place, bytes) => {
    const { blocks } = await digestStream(bytes(file.key, signal))
    checkBlocks(file, blocks)
    return blocks
  })
}

/** Keeps the block digests of a large file beside the manifest, where readers check blocks against them. */
export async function keepBlocks(
  adapter: StorageAdapter,
  path: string,
  file: FileDigest,
  signal?: AbortSignal,
): Promise<void> {
  if (file.size <= BLOCK_SIZE) return
  const check = (there: Uint8Array) => checkBlocks({ path: file.digest, ...file }, there)
  const call = signal === undefined ? {} : { signal }
  await writeNamed(adapter, path + blocksKey(file.digest), file.blocks, { ...call, check })
}

/** @throws StowageError `integrity` when these are not the digests of the file's blocks */
export function checkBlocks(file: Pick<BlocksOf, 'path' | 'digest' | 'size'>, blocks: Uint8Array): void {
  if (blocks.length === lengthFor(file.size) && combineBlocks(blocks) === file.digest) return
  throw new StowageError('integrity', `The block digests of "${file.path}" are damaged.`, {
    key: blocksKey(file.digest),
  })
}
