import {
  BLOCK_SIZE,
  blocksKey,
  combineBlocks,
  digestStream,
  type Events,
  type FileDigest,
  type StorageAdapter,
  StowageError,
} from '@stowage/core'
import { readSmall, writeNamed } from './objects.ts'
import { firstOf, type Place } from './places.ts'

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
  context: { events: Events; datasetId?: string | undefined; signal?: AbortSignal | undefined },
): Promise<Uint8Array> {
  const { events, datasetId, signal } = context
  const key = blocksKey(file.digest)
  try {
    const name = `The list of block digests of "${file.path}"`
    return await firstOf(places, { name, key, datasetId, events }, async (place) => {
      const blocks = await readSmall(await place.adapter(), place.path + key, signal)
      checkBlocks(file, blocks)
      return blocks
    })
  } catch (error) {
    if (signal?.aborted) throw error
  }
  return firstOf(places, { name: `"${file.path}"`, key: file.key, datasetId, events }, async (place) => {
    const adapter = await place.adapter()
    const { body } = await adapter.get(place.path + file.key, signal === undefined ? {} : { signal })
    const { blocks } = await digestStream(body)
    checkBlocks(file, blocks)
    return blocks
  })
}

/** Keeps the block digests of a large file beside the manifest, where readers check blocks against them. */
export async function keepBlocks(adapter: StorageAdapter, path: string, file: FileDigest): Promise<void> {
  if (file.size <= BLOCK_SIZE) return
  const check = (there: Uint8Array) => checkBlocks({ path: file.digest, ...file }, there)
  await writeNamed(adapter, path + blocksKey(file.digest), file.blocks, { check })
}

/** @throws StowageError `integrity` when these are not the digests of the file's blocks */
export function checkBlocks(file: Pick<BlocksOf, 'path' | 'digest' | 'size'>, blocks: Uint8Array): void {
  if (blocks.length === lengthFor(file.size) && combineBlocks(blocks) === file.digest) return
  throw new StowageError('integrity', `The block digests of "${file.path}" are damaged.`, {
    key: blocksKey(file.digest),
  })
}
