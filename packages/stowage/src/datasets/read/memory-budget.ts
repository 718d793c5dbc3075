import { BLOCK_SIZE } from '@stowage/core'

/** Blocks that all reads of a process may hold ahead of their readers: 256 MiB. */
const AHEAD = 32 * BLOCK_SIZE

/** Bounds what many reads hold together. Nobody waits for it: where there is no room, a read does without. */
export class MemoryBudget {
  readonly limit: number
  #held = 0

  /** @param limit in bytes */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held
  }

  /** Takes room for so many bytes. Call what it returns, once, to give it back; `undefined` when there is none. */
  take(bytes: number): (() => void) | undefined {
    if (this.#held + bytes > this.limit) return undefined
    this.#held += bytes
    return () => {
      this.#held -= bytes
    }
  }
}

/** What the reads of this process share. */
export const processMemory: MemoryBudget = new MemoryBudget(AHEAD)
