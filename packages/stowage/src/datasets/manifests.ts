import {
  BLOCK_SIZE,
  blocksKey,
  combineBlocks,
  type DatasetReplica,
  type DatasetVersion,
  hasCode,
  Manifest,
  type StorageAdapter,
  StowageError,
} from '@stowage/core'
import type { Sources } from '../sources/index.ts'
import { readSmall } from './objects.ts'

/** Manifests kept open, at most. */
const KEPT = 32

/** Opens manifests from whichever replica has them, and keeps the ones used last: they never change. */
export class Manifests {
  readonly #sources: Sources
  readonly #open = new Map<string, Promise<Manifest>>()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  /**
   * The manifest of a version, read from the replicas in the order given.
   * @throws StowageError the last failure when no replica has it whole
   */
  async of(
    version: Pick<DatasetVersion, 'manifest'>,
    replicas: readonly Pick<DatasetReplica, 'sourceId' | 'path'>[],
  ): Promise<Manifest> {
    const kept = this.#open.get(version.manifest)
    if (kept !== undefined) {
      this.#open.delete(version.manifest)
      this.#open.set(version.manifest, kept)
      return kept
    }
    const opening = Manifest.open(version.manifest, (key) => this.#fetch(key, replicas))
    this.#open.set(version.manifest, opening)
    opening.catch(() => this.#open.delete(version.manifest))
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= KEPT) break
      this.#open.delete(oldest)
    }
    return opening
  }

  async #fetch(key: string, replicas: readonly Pick<DatasetReplica, 'sourceId' | 'path'>[]): Promise<Uint8Array> {
    return firstOf(replicas, async (replica) =>
      readSmall(await this.#sources.adapter(replica.sourceId), replica.path + key),
    )
  }
}

/** Tries replicas in turn and gives the first answer. */
async function firstOf<R, T>(replicas: readonly R[], ask: (replica: R) => Promise<T>): Promise<T> {
  let last: unknown = new StowageError('no-source', 'No source holds a copy that can be read.')
  for (const replica of replicas) {
    try {
      return await ask(replica)
    } catch (error) {
      if (hasCode(error, 'aborted')) throw error
      last = error
    }
  }
  throw last
}

/** Reads and checks the block digests of a file of more than one block, or gives `undefined` when no replica has them whole. */
export async function readBlocks(
  replicas: readonly { adapter: () => Promise<StorageAdapter>; path: string }[],
  file: { digest: string; size: number },
): Promise<Uint8Array | undefined> {
  try {
    return await firstOf(replicas, async (replica) => {
      const blocks = await readSmall(await replica.adapter(), replica.path + blocksKey(file.digest))
      const right = blocks.length === Math.ceil(file.size / BLOCK_SIZE) * 32 && combineBlocks(blocks) === file.digest
      if (!right) throw new StowageError('integrity', `The block digests of ${file.digest} are damaged.`)
      return blocks
    })
  } catch (error) {
    if (hasCode(error, 'aborted')) throw error
    return undefined
  }
}
