import type { BlockReader } from './block-reader.ts'
import { type MemoryBudget, processMemory } from './memory-budget.ts'
import type { VerifiedReadOptions } from './options.ts'

/** Blocks ahead, unless told otherwise. One is enough to keep a line busy while its reader uses the block before. */
const AHEAD = 1

/** A block that nobody asked for yet. */
interface Kept {
  bytes: Uint8Array
  giveBack: () => void
}

/**
 * Fetches the blocks that come next while the reader uses the one before, as many as may be and as there is memory for. A failure that
 * nobody waited for is no failure: the block is fetched again when it is asked for.
 */
export class ReadAhead {
  readonly #reader: Pick<BlockReader, 'read' | 'last' | 'lengthOf'>
  readonly #limit: number
  readonly #memory: MemoryBudget
  readonly #kept: Kept[] = []
  /** The first block that was neither given out nor kept. */
  #next = 0
  /** That block, while it is fetched ahead. */
  #coming: Promise<void> | undefined
  #isClosed = false

  constructor(
    reader: Pick<BlockReader, 'read' | 'last' | 'lengthOf'>,
    { readAhead = AHEAD, memory = processMemory }: Pick<VerifiedReadOptions, 'readAhead' | 'memory'>,
  ) {
    this.#reader = reader
    this.#limit = readAhead
    this.#memory = memory
  }

  /** The bytes of a block: of the first one, or of that after the one taken before. @throws StowageError as {@link BlockReader.read} */
  async take(block: number): Promise<Uint8Array> {
    if (this.#kept.length === 0 && this.#coming !== undefined) await this.#coming
    const kept = this.#kept.shift()
    if (kept === undefined) {
      const bytes = await this.#reader.read(block)
      this.#next = block + 1
      this.#prepare()
      return bytes
    }
    kept.giveBack()
    this.#prepare()
    return kept.bytes
  }

  close(): void {
    this.#isClosed = true
    for (const { giveBack } of this.#kept.splice(0)) giveBack()
  }

  #prepare(): void {
    if (this.#coming !== undefined || this.#isClosed || this.#kept.length >= this.#limit) return
    if (this.#next > this.#reader.last) return
    const giveBack = this.#memory.take(this.#reader.lengthOf(this.#next))
    if (giveBack === undefined) return
    const coming = this.#fetch(giveBack)
    this.#coming = coming
    coming.then(
      () => {
        this.#coming = undefined
        this.#prepare()
      },
      () => {
        this.#coming = undefined
      },
    )
  }

  async #fetch(giveBack: () => void): Promise<void> {
    let bytes: Uint8Array
    try {
      bytes = await this.#reader.read(this.#next)
    } catch (error) {
      giveBack()
      throw error
    }
    this.#next++
    if (this.#isClosed) giveBack()
    else this.#kept.push({ bytes, giveBack })
  }
}
