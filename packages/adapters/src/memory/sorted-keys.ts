import { compareKeys } from '@stowage/core'

const chunkSize = 512

/**
 * Keys in UTF-8 byte order, in chunks of bounded length: adding, deleting and seeking cost a binary search and a move inside one
 * chunk, so listing stays fast while other calls write.
 */
export class SortedKeys {
  #chunks: string[][] = []

  /** Adds a key. One that is there already changes nothing. */
  add(key: string): void {
    const at = this.#chunkOf(key)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push([key])
      return
    }
    const i = lowerBound(chunk, key)
    if (chunk[i] === key) return
    chunk.splice(i, 0, key)
    if (chunk.length > chunkSize) this.#chunks.splice(at + 1, 0, chunk.splice(chunkSize / 2))
  }

  delete(key: string): void {
    const at = this.#chunkOf(key)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    const i = lowerBound(chunk, key)
    if (chunk[i] !== key) return
    chunk.splice(i, 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
  }

  /** The first key at (or, with `above`, after) a position, or `undefined`. */
  seek(position: string, above: boolean): string | undefined {
    const at = this.#chunkOf(position)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return undefined
    let i = lowerBound(chunk, position)
    if (above && chunk[i] === position) i++
    return chunk[i] ?? this.#chunks[at + 1]?.[0]
  }

  /** The index of the chunk that holds a key or would: the last one that does not begin above it. */
  #chunkOf(key: string): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeys(this.#chunks[middle]?.[0] ?? '', key) <= 0) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(sorted[middle] ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
