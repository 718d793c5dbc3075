import { createHash, type Hash } from 'node:crypto'
import { StowageError } from '../errors/index.ts'
import { BLOCK_SIZE } from './block-size.ts'

const HASH_BYTES = 32

/** A file's identity: {@link FileDigest.digest} together with its size. */
export interface FileDigest {
  /** 64 lower-case hexadecimal digits. Up to one block: the plain SHA-256 of the file. More: the SHA-256 of the concatenated block digests. */
  digest: string
  /** Length of the file in bytes. */
  size: number
  /** The SHA-256 of every 8 MiB block, 32 bytes each, concatenated. One block for a file of up to 8 MiB, also for an empty one. */
  blocks: Uint8Array
}

/**
 * Computes a file's digest as its bytes pass, and can go on after a crash from the blocks that were finished.
 *
 * @example
 * ```ts
 * const digest = new DigestBuilder()
 * for await (const chunk of stream) digest.update(chunk)
 * const { digest: hex, size } = digest.finish()
 * ```
 */
export class DigestBuilder {
  #done: Uint8Array[] = []
  #block: Hash = createHash('sha256')
  #inBlock = 0
  #size = 0

  /**
   * @param finished digests of the blocks that were already read (32 bytes each), to go on after `finished.length / 32` full blocks
   * @throws StowageError `invalid-request` when the length is not a multiple of 32
   */
  constructor(finished?: Uint8Array) {
    if (finished === undefined || finished.length === 0) return
    if (finished.length % HASH_BYTES !== 0)
      throw new StowageError('invalid-request', 'Block digests must be 32 bytes each.')
    // A copy: `slice` of a Buffer would share its memory.
    this.#done.push(Uint8Array.from(finished))
    this.#size = (finished.length / HASH_BYTES) * BLOCK_SIZE
  }

  /** Bytes seen so far, those of the finished blocks included. */
  get size(): number {
    return this.#size
  }

  /** Adds the next bytes, in order. */
  update(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#inBlock === BLOCK_SIZE) this.#closeBlock()
      const part = rest.subarray(0, BLOCK_SIZE - this.#inBlock)
      this.#block.update(part)
      this.#inBlock += part.length
      this.#size += part.length
      rest = rest.subarray(part.length)
    }
  }

  /** The digest of all bytes. The builder must not be used afterwards. */
  finish(): FileDigest {
    if (this.#inBlock > 0 || this.#size === 0) this.#closeBlock()
    const blocks = this.#done.length === 1 ? (this.#done[0] as Uint8Array) : Buffer.concat(this.#done)
    return { digest: combineBlocks(blocks), size: this.#size, blocks }
  }

  #closeBlock(): void {
    this.#done.push(this.#block.digest())
    this.#block = createHash('sha256')
    this.#inBlock = 0
  }
}

/**
 * The digest of a file from the SHA-256 of its 8 MiB blocks, in order.
 * @throws StowageError `invalid-request` when there is no block or the length is not a multiple of 32
 */
export function combineBlocks(blocks: Uint8Array): string {
  if (blocks.length === 0 || blocks.length % HASH_BYTES !== 0) {
    throw new StowageError('invalid-request', 'Block digests must be 32 bytes each, at least one.')
  }
  if (blocks.length === HASH_BYTES) return Buffer.from(blocks).toString('hex')
  return createHash('sha256').update(blocks).digest('hex')
}

/** The SHA-256 of every 8 MiB block of these bytes, 32 bytes each. The bytes must begin at a block's start. */
export function blockDigests(bytes: Uint8Array): Uint8Array {
  const count = Math.max(1, Math.ceil(bytes.length / BLOCK_SIZE))
  const out = new Uint8Array(count * HASH_BYTES)
  for (let i = 0; i < count; i++) {
    const block = bytes.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)
    out.set(createHash('sha256').update(block).digest(), i * HASH_BYTES)
  }
  return out
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): FileDigest {
  const blocks = blockDigests(bytes)
  return { digest: combineBlocks(blocks), size: bytes.length, blocks }
}

/** Reads a stream to its end and returns its digest. */
export async function digestStream(stream: AsyncIterable<Uint8Array>): Promise<FileDigest> {
  const builder = new DigestBuilder()
  for await (const chunk of stream) builder.update(chunk)
  return builder.finish()
}
