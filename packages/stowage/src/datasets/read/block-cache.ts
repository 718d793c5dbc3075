import { BLOCK_SIZE } from '@stowage/core'
import { unlessAborted } from '../unless-aborted.ts'

/** What a process keeps of blocks that were read from within: 64 MiB. */
const KEPT = 8 * BLOCK_SIZE

/** A block that is being fetched, for all who want it. */
interface Coming {
  bytes: Promise<Uint8Array>
  stop: AbortController
  waiting: number
}

/** Keeps the blocks that were used last, by their digests, and fetches one only once for all who want it at the same time. */
export class BlockCache {
  readonly #limit: number
  readonly #kept = new Map<string, Uint8Array>()
  readonly #coming = new Map<string, Coming>()
  #size = 0

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes that are kept. */
  get size(): number {
    return this.#size
  }

  /**
   * The block of this digest. It is shared: whoever gives bytes of it away copies them.
   * @param fetch gets it; its signal fires when nobody wants it any more
   */
  async get(
    digest: string,
    signal: AbortSignal | undefined,
    fetch: (signal: AbortSignal) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const kept = this.#kept.get(digest)
    if (kept !== undefined) {
      this.#kept.delete(digest)
      this.#kept.set(digest, kept)
      return kept
    }
    const coming = this.#coming.get(digest) ?? this.#begin(digest, fetch)
    coming.waiting++
    try {
      return await unlessAborted(coming.bytes, signal)
    } finally {
      coming.waiting--
      if (coming.waiting === 0) {
        coming.stop.abort()
        this.#forget(digest, coming)
      }
    }
  }

  #begin(digest: string, fetch: (signal: AbortSignal) => Promise<Uint8Array>): Coming {
    const stop = new AbortController()
    const coming: Coming = { bytes: fetch(stop.signal), stop, waiting: 0 }
    this.#coming.set(digest, coming)
    coming.bytes.then(
      (bytes) => {
        this.#forget(digest, coming)
        if (!stop.signal.aborted) this.#keep(digest, bytes)
      },
      () => this.#forget(digest, coming),
    )
    return coming
  }

  #forget(digest: string, coming: Coming): void {
    if (this.#coming.get(digest) === coming) this.#coming.delete(digest)
  }

  #keep(digest: string, bytes: Uint8Array): void {
    if (bytes.length > this.#limit) return
    this.#kept.set(digest, bytes)
    this.#size += bytes.length
    for (const [oldest, { length }] of this.#kept) {
      if (this.#size <= this.#limit) return
      this.#kept.delete(oldest)
      this.#size -= length
    }
  }
}

/** What the reads of this process share. */
export const processBlocks: BlockCache = new BlockCache(KEPT)
