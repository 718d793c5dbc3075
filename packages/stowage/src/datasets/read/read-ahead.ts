import type { BlockReader } from './block-reader.ts'
import { type MemoryBudget, processMemory } from './memory-budget.ts'
import type { VerifiedReadOptions } from './options.ts'

/** Blocks ahead, unless told otherwise. One is enough to keep a line busy while its reader uses the block before. */
const AHEAD = 1

type Reader = Pick<BlockReader, 'read' | 'rest' | 'last' | 'lengthOf'>

/** A block that nobody asked for yet. */
interface Kept {
  pieces: Uint8Array[]
  giveBack: () => void
}

/**
 * Fetches the blocks that come next while the reader uses the one before, as many as may be and as there is memory for. A failure that
 * nobody waited for is no failure: the block is fetched again when it is asked for.
 */
export class ReadAhead {
  readonly #reader: Reader
  readonly #limit: number
  readonly #signal: AbortSignal | undefined
  readonly #memory: MemoryBudget
  readonly #kept: Kept[] = []
  /** The first block that was neither given out nor kept. */
  #next = 0
  /** That block, while it is fetched ahead. */
  #coming: Promise<void> | undefined
  /**
   * Whether there was no room once: then each request is for one block, and none is open while nobody waits for its bytes. Many streams would
   * otherwise hold all connections, and wait for memory that those have who wait for a connection.
   */
  #isOne = false
  #isClosed = false

  constructor(
    reader: Reader,
    { readAhead = AHEAD, memory = processMemory, signal }: Pick<VerifiedReadOptions, 'readAhead' | 'memory' | 'signal'>,
  ) {
    this.#reader = reader
    this.#signal = signal
    this.#limit = readAhead
    this.#memory = memory
  }

  /** The bytes of a block, in pieces: of the first one, or of that after the one taken before. @throws StowageError as {@link BlockReader.read} */
  async take(block: number): Promise<Uint8Array[]> {
    if (this.#kept.length === 0 && this.#coming !== undefined) await this.#coming
    const kept = this.#kept.shift()
    if (kept === undefined) {
      const pieces = await this.#fill(block)
      this.#next = block + 1
      this.#prepare()
      return pieces
    }
    kept.giveBack()
    this.#prepare()
    return kept.pieces
  }

  /** Fetches what a reader waits for. What was given out is the reader's, and counts no more. */
  async #fill(block: number): Promise<Uint8Array[]> {
    const length = this.#reader.lengthOf(block)
    let giveBack = this.#memory.takeNow(length)
    if (giveBack === undefined) {
      this.#leave()
      giveBack = await this.#memory.turn(length, this.#signal)
    }
    try {
      return await this.#reader.read(block, this.#isOne)
    } finally {
      giveBack()
    }
  }

  #leave(): void {
    this.#isOne = true
    this.#reader.rest()
  }

  close(): void {
    this.#isClosed = true
    for (const { giveBack } of this.#kept.splice(0)) giveBack()
  }

  #prepare(): void {
    if (this.#coming !== undefined || this.#isClosed || this.#kept.length >= this.#limit) return
    if (this.#next > this.#reader.last) return
    const giveBack = this.#memory.take(this.#reader.lengthOf(this.#next))
    if (giveBack === undefined) {
      if (this.#kept.length === 0) this.#leave()
      return
    }
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
    let pieces: Uint8Array[]
    try {
      pieces = await this.#reader.read(this.#next, this.#isOne)
    } catch (error) {
      giveBack()
      throw error
    }
    this.#next++
    if (this.#isClosed) giveBack()
    else this.#kept.push({ pieces, giveBack })
  }
}
