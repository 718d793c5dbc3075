import type { Readable } from 'node:stream'
import { BodyPiece, type Clock } from '@stowage/core'
import { sharedParts } from './first-read.ts'

/**
 * Milliseconds that an open read waits for its next part. It holds a connection, for which those who would have to make room may wait
 * themselves.
 */
const parkedMs = 5_000

/** Parts that a read has yet to begin, at least, so that half of them are worth a request of their own. */
const dividable = 4

/** Parts in a row that come by one request. */
export interface SharedRead {
  /** The number of the part to come. */
  next: number
  /** The number behind its last part. Lowered when others take over what is left. */
  end: number
  body: Readable | undefined
  isBusy: boolean
  parked: AbortController | undefined
}

/** Opens a read of the parts from `first` to the one before `end`. The signal is for the opening alone. */
type Open = (first: number, end: number, signal: AbortSignal) => Promise<Readable>

/** Gives out the parts of an object, so that each request for its bytes serves as many parts in a row as possible. */
export class SharedReads {
  readonly #open: Open
  readonly #clock: Clock
  readonly #count: number
  /** Parts that no read has: from the first to the one before the second. */
  readonly #free: [number, number][] = []
  readonly #reads = new Set<SharedRead>()

  /** @param missing numbers of parts, rising */
  constructor(missing: readonly number[], open: Open, clock: Clock) {
    this.#open = open
    this.#clock = clock
    this.#count = missing.length
    for (const number of missing) {
      const last = this.#free.at(-1)
      if (last?.[1] === number) last[1]++
      else this.#free.push([number, number + 1])
    }
  }

  /** Takes over a read of the parts from the first to the one before `end`, which was opened already. */
  seed(first: number, end: number, body: Readable): void {
    const stretch = this.#free.find(([from, until]) => from === first && until >= end)
    if (stretch === undefined) return void body.destroy()
    if (stretch[1] === end) this.#free.splice(this.#free.indexOf(stretch), 1)
    else stretch[0] = end
    const read = readOf(first, end)
    read.body = body
    this.#reads.add(read)
    this.#park(read)
  }

  /** Whether one more could do something now. */
  get isClaimable(): boolean {
    if (this.#free.length > 0) return true
    for (const read of this.#reads) if (!read.isBusy || leftOf(read) >= dividable) return true
    return false
  }

  /** Takes a part: the next of a read that is open, or else of a stretch that nobody reads. @param sharers how many are likely to share them */
  claim(sharers: number): SharedRead | undefined {
    const read = this.#waiting() ?? this.#fromFree(sharers) ?? this.#fromOther()
    if (read === undefined) return undefined
    read.isBusy = true
    read.parked?.abort()
    read.parked = undefined
    this.#reads.add(read)
    return read
  }

  /** The bytes of the part to come, which has `size` of them. */
  async piece(read: SharedRead, size: number, signal: AbortSignal): Promise<BodyPiece> {
    if (read.body === undefined || read.body.destroyed) {
      read.body = await this.#open(read.next, read.end, signal)
      // Between two parts nobody listens; the next one finds it destroyed.
      read.body.on('error', () => {})
    }
    return new BodyPiece(read.body, size)
  }

  /** The part has arrived. */
  passed(read: SharedRead): void {
    read.next++
    if (read.next >= read.end) {
      // Also of one that was read to its end: it may wait to tell so.
      read.body?.destroy()
      this.#reads.delete(read)
      return
    }
    this.#park(read)
  }

  /** Ends all reads. */
  close(): void {
    for (const read of this.#reads) {
      read.parked?.abort()
      read.body?.destroy()
    }
  }

  #park(read: SharedRead): void {
    const parked = new AbortController()
    read.isBusy = false
    read.parked = parked
    this.#clock.sleep(parkedMs, parked.signal).then(
      () => void read.body?.destroy(),
      () => undefined,
    )
  }

  #waiting(): SharedRead | undefined {
    for (const read of this.#reads) if (!read.isBusy) return read
    return undefined
  }

  #fromFree(sharers: number): SharedRead | undefined {
    const longest = this.#free.reduce<[number, number] | undefined>(
      (most, one) => (most === undefined || one[1] - one[0] > most[1] - most[0] ? one : most),
      undefined,
    )
    if (longest === undefined) return undefined
    const [first, end] = longest
    const until = Math.min(end, first + sharedParts(this.#count, sharers))
    if (until === end) this.#free.splice(this.#free.indexOf(longest), 1)
    else longest[0] = until
    return readOf(first, until)
  }

  /** The second half of what the longest read has yet to begin. */
  #fromOther(): SharedRead | undefined {
    let longest: SharedRead | undefined
    for (const read of this.#reads) if (longest === undefined || leftOf(read) > leftOf(longest)) longest = read
    if (longest === undefined || leftOf(longest) < dividable) return undefined
    const { end } = longest
    longest.end -= Math.floor(leftOf(longest) / 2)
    return readOf(longest.end, end)
  }
}

/** Parts of a busy read that it has yet to begin. */
function leftOf({ next, end }: SharedRead): number {
  return end - next - 1
}

function readOf(next: number, end: number): SharedRead {
  return { next, end, body: undefined, isBusy: true, parked: undefined }
}
