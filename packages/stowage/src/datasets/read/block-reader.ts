import { BLOCK_SIZE, combineBlocks } from '@stowage/core'
import { Feed } from './feed.ts'
import type { VerifiedReadOptions } from './options.ts'

/** Reads the blocks of a range one after the other, each checked against its digest before it is given out. */
export class BlockReader {
  readonly #options: VerifiedReadOptions
  readonly #feed: Feed
  readonly #start: number
  readonly #end: number
  /** Digests of blocks that nothing was there to check against. */
  readonly #unchecked: Uint8Array[] = []

  constructor(options: VerifiedReadOptions) {
    const { size, range = { start: 0, length: size } } = options
    this.#options = options
    this.#start = range.start
    this.#end = range.start + range.length
    this.#feed = new Feed(options)
  }

  /** The first block of the range. */
  get first(): number {
    return Math.floor(this.#start / BLOCK_SIZE)
  }

  /** The last block of the range, below the first when no byte is wanted. */
  get last(): number {
    return this.#end === this.#start ? this.first - 1 : Math.ceil(this.#end / BLOCK_SIZE) - 1
  }

  /** Bytes that are wanted of a block. */
  lengthOf(block: number): number {
    const [start, end] = this.#wanted(block)
    return end - start
  }

  /**
   * The bytes that are wanted of one block, in pieces. A block that is wrong is read anew, whole, from every other candidate in turn.
   * @param isOne ask for this block alone, and not for those behind it too
   * @throws StowageError naming every candidate, when none has it right
   */
  async read(block: number, isOne = false): Promise<Uint8Array[]> {
    const from = block * BLOCK_SIZE
    const length = Math.min(BLOCK_SIZE, this.#options.size - from)
    const expected = this.#expected(block)
    for (let tries = 0; ; tries++) {
      const { pieces, digest } = await this.#feed.read(from, length, ...this.#wanted(block), isOne)
      if (expected === undefined || Buffer.compare(digest, expected) === 0) {
        if (expected === undefined) this.#unchecked.push(digest)
        this.#feed.forgive(expected !== undefined)
        return pieces
      }
      this.#feed.reject(from, tries)
    }
  }

  /** Checks what could not be checked block by block, when the whole file was read. @throws StowageError `integrity` */
  finish(): void {
    if (this.#start !== 0 || this.#end !== this.#options.size || this.#unchecked.length === 0) return
    if (combineBlocks(Buffer.concat(this.#unchecked)) !== this.#options.digest) throw this.#feed.wrong()
  }

  /** Ends the request that is open between two blocks. The next one is asked for anew. */
  rest(): void {
    this.#feed.rest()
  }

  close(): void {
    this.#feed.close()
  }

  #wanted(block: number): [start: number, end: number] {
    const from = block * BLOCK_SIZE
    return [Math.max(this.#start, from), Math.min(this.#end, from + BLOCK_SIZE)]
  }

  #expected(block: number): Uint8Array | undefined {
    const { size, digest, blocks } = this.#options
    if (size <= BLOCK_SIZE) return Buffer.from(digest, 'hex')
    return blocks?.subarray(block * 32, block * 32 + 32)
  }
}
