import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  BLOCK_SIZE,
  type Clock,
  combineBlocks,
  type ErrorCode,
  type GetResult,
  hasCode,
  type StorageAdapter,
  StowageError,
  systemClock,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import { allFailed, type Fault } from './places.ts'
import { processBudget, type RetryBudget } from './retry-budget.ts'
import { StallWatch } from './stall-watch.ts'

/** One place that holds the file. */
export interface ReadCandidate {
  sourceId: string
  adapter: () => Promise<StorageAdapter>
  /** The object's key in that source. */
  key: string
}

export interface VerifiedReadOptions {
  size: number
  digest: string
  /** Best first; at least one. */
  candidates: readonly ReadCandidate[]
  /** Block digests of a file of more than one block; without them only a whole read is checked, at its end. */
  blocks?: Uint8Array
  /** @defaultValue the whole file */
  range?: { start: number; length: number }
  signal?: AbortSignal
  /**
   * Milliseconds that the reader may go without a byte while another source is left. A source that is silent for three quarters of it is
   * left, which leaves a quarter for the next one to begin. Time in which nobody reads does not count. @defaultValue 3000
   */
  stallMs?: number
  /** Bytes a second below which a source is left for one that is not known to be as slow. @defaultValue 65536 */
  minBytesPerSecond?: number
  /** What second attempts share. @defaultValue one for all reads of the process */
  budget?: RetryBudget
  /** Times the waits. @defaultValue the machine's clock */
  clock?: Clock
  /** Take what blocks are right also from a copy of another length: for mending, where they may be all there is. @defaultValue false */
  salvage?: boolean
  /** Told when a candidate failed or delivered bad bytes; `to` is where the read goes on. */
  onFailover?: (failover: { from: string; to: string; offset: number; code: ErrorCode }) => void
  /** Told how each request went. */
  onOutcome?: (sourceId: string, outcome: { ok: true } | { ok: false; code: ErrorCode }) => void
}

/** How often each candidate may fail on one block before the read gives up: twice, so that one that hiccups can help again. */
const ROUNDS = 2
const STALL = 3000
const SLOW = 65_536

/**
 * Reads a file from the best candidate and goes on at the same byte from the next one when it fails. Bytes are given out a block (8 MiB)
 * at a time and only after their digest was checked, so a damaged replica is never seen: its block is fetched elsewhere.
 *
 * @throws StowageError the last failure when every candidate failed, `integrity` when no candidate has the right bytes; it names each of them
 */
export async function* readVerified(options: VerifiedReadOptions): AsyncGenerator<Uint8Array> {
  const range = options.range ?? { start: 0, length: options.size }
  const end = range.start + range.length
  const feed = new Feed(options)
  const seen: Uint8Array[] = []
  try {
    for (
      let block = Math.floor(range.start / BLOCK_SIZE);
      block * BLOCK_SIZE < end || (block === 0 && options.size === 0);
      block++
    ) {
      const from = block * BLOCK_SIZE
      const bytes = await readBlock(feed, options, block, from, Math.min(BLOCK_SIZE, options.size - from), seen)
      const out = bytes.subarray(Math.max(0, range.start - from), Math.min(bytes.length, end - from))
      if (out.length > 0) yield out
      if (options.size === 0) break
    }
  } finally {
    feed.close()
  }
  if (range.start !== 0 || end !== options.size || seen.length === 0) return
  if (combineBlocks(Buffer.concat(seen)) !== options.digest) throw feed.failure(wrongBytes())
}

/** One block, checked; when it is not what it should be, from every other candidate in turn. */
async function readBlock(
  feed: Feed,
  options: VerifiedReadOptions,
  block: number,
  from: number,
  length: number,
  seen: Uint8Array[],
): Promise<Uint8Array> {
  const expected = expectedDigest(options, block)
  for (let tries = 0; ; tries++) {
    const bytes = await feed.read(from, length)
    const digest = createHash('sha256').update(bytes).digest()
    if (expected === undefined) seen.push(digest)
    if (expected === undefined || digest.equals(expected)) {
      feed.forgive()
      return bytes
    }
    feed.reject(from, tries)
  }
}

function expectedDigest(options: VerifiedReadOptions, block: number): Uint8Array | undefined {
  if (options.size <= BLOCK_SIZE) return Buffer.from(options.digest, 'hex')
  return options.blocks?.subarray(block * 32, block * 32 + 32)
}

function wrongBytes(): StowageError {
  return new StowageError('integrity', 'The bytes do not have the digest they should have.', {
    hint: 'Run stowage verify between the replicas, and repair the damaged one.',
  })
}

/** The bytes in order, from whichever candidate serves. */
class Feed {
  readonly #options: VerifiedReadOptions
  /** The end of the last block that is wanted: nothing beyond it is asked for. */
  readonly #end: number
  #index = 0
  /** Since the last good block. */
  #faults: Fault[] = []
  #position = -1
  #body: Readable | undefined
  #stream: AsyncIterator<Uint8Array> | undefined
  #rest: Uint8Array = new Uint8Array(0)
  /** Whether the open stream gave anything yet. */
  #served = false
  /** Of the object of a candidate that was opened: what replaced it since is not the same object. */
  readonly #etags = new Map<number, string>()
  /** Candidates that were left since they were slow: nobody goes from one of them to another. */
  readonly #slow = new Set<number>()
  readonly #leave: () => void
  #watch: StallWatch | undefined
  #giveBack: (() => void) | undefined
  /** Since the last bad block, the candidates that had a hand in the current block. */
  #hands = new Set<number>()

  constructor(options: VerifiedReadOptions) {
    if (options.candidates.length === 0) throw new StowageError('no-source', 'No source holds a copy that can be read.')
    this.#options = options
    const range = options.range ?? { start: 0, length: options.size }
    this.#end = Math.min(options.size, Math.ceil((range.start + range.length) / BLOCK_SIZE) * BLOCK_SIZE)
    this.#leave = this.#budget.enter()
  }

  get #budget(): RetryBudget {
    return this.#options.budget ?? processBudget
  }

  /** Exactly the bytes from `from`, `length` of them. */
  async read(from: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0)
    if (this.#position !== from) this.#drop()
    const buffer = Buffer.allocUnsafe(length)
    let filled = 0
    this.#hands.clear()
    while (filled < length) {
      throwIfAborted(this.#options.signal)
      try {
        if (this.#stream === undefined) await this.#open(from + filled)
        this.#hands.add(this.#index)
        if (this.#rest.length === 0) await this.#pull()
      } catch (error) {
        this.#fail(toStowageError(error, this.#options.signal), from + filled)
        continue
      }
      const part = this.#rest.subarray(0, length - filled)
      buffer.set(part, filled)
      filled += part.length
      this.#rest = this.#rest.subarray(part.length)
      this.#position = from + filled
    }
    return buffer
  }

  /** The block that began at `offset` was wrong, and had been `tries` times before: whoever delivered it is left for the next. */
  reject(offset: number, tries: number): void {
    // A block of two hands: the next attempt reads all of it from one candidate, so that only one can be to blame.
    if (this.#hands.size > 1 && tries < this.#options.candidates.length * ROUNDS) this.#drop()
    else this.#fail(wrongBytes(), offset)
  }

  /** A block was right: what failed before it counts no more, however long the file is. */
  forgive(): void {
    this.#faults = []
  }

  /** What to throw when the candidate in turn failed so and no other is left. It names all that failed. */
  failure(error: StowageError): StowageError {
    const { candidates } = this.#options
    const { sourceId, key } = candidates[this.#index] as ReadCandidate
    return allFailed(`"${key}"`, key, [...this.#faults, { sourceId, error }])
  }

  close(): void {
    this.#drop()
    this.#leave()
  }

  async #open(start: number): Promise<void> {
    const { candidates, size, signal, salvage } = this.#options
    const candidate = candidates[this.#index] as ReadCandidate
    if (this.#faults.length > 0) this.#giveBack = await this.#budget.take(signal)
    const { body, info } = await this.#request(candidate, start)
    if (info.size !== size && salvage !== true) {
      body.destroy()
      throw new StowageError('integrity', `"${candidate.key}" has ${info.size} bytes, not ${size}.`, {
        key: candidate.key,
      })
    }
    this.#etags.set(this.#index, info.etag)
    this.#body = body
    this.#stream = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
    this.#position = start
    this.#served = false
  }

  /** Asks for the bytes from `start` of the object that was read before, if one was. */
  async #request(candidate: ReadCandidate, start: number): Promise<GetResult> {
    const { size, signal, clock, stallMs = STALL, minBytesPerSecond = SLOW } = this.#options
    const ifMatch = this.#etags.get(this.#index)
    const stop = new AbortController()
    const watch = new StallWatch({ silenceMs: stallMs * 0.75, minBytesPerSecond }, clock ?? systemClock)
    this.#watch = watch
    const answer = candidate.adapter().then((adapter) =>
      adapter.get(candidate.key, {
        ...(start === 0 && this.#end === size ? {} : { range: { start, length: this.#end - start } }),
        ...(ifMatch === undefined ? {} : { ifMatch }),
        signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
      }),
    )
    try {
      return await (this.#hasOther() ? watch.wait(answer) : answer)
    } catch (error) {
      stop.abort()
      // One that answers after all must not keep its connection.
      answer.then(
        ({ body }) => body.destroy(),
        () => undefined,
      )
      // What was replaced may have been mended: the next round looks at it anew, and its blocks are checked.
      if (hasCode(error, 'precondition-failed')) this.#etags.delete(this.#index)
      if (!hasCode(error, 'invalid-request') || start === 0) throw error
      throw new StowageError('integrity', `"${candidate.key}" ends before byte ${start}.`, {
        key: candidate.key,
        cause: error,
      })
    }
  }

  /** Whether the read would go on elsewhere: the last attempt has the time that its source's own limits give it. */
  #hasOther(): boolean {
    const { candidates } = this.#options
    return candidates.length > 1 && this.#faults.length + 1 < candidates.length * ROUNDS
  }

  async #pull(): Promise<void> {
    const answer = (this.#stream as AsyncIterator<Uint8Array>).next()
    const watch = this.#hasOther() ? this.#watch : undefined
    const next = await (watch === undefined ? answer : watch.wait(answer))
    if (next.done) throw new StowageError('integrity', 'The object ended before its length.')
    if (watch?.isSlow(next.value.length) && this.#hasFaster()) {
      this.#slow.add(this.#index)
      throw new StowageError('timeout', 'The source gives its bytes too slowly.')
    }
    this.#rest = next.value
    if (this.#served) return
    this.#served = true
    this.#giveBack?.()
    this.#options.onOutcome?.((this.#options.candidates[this.#index] as ReadCandidate).sourceId, { ok: true })
  }

  /** Whether there is a candidate that is not known to be slow. Where all are, the network is, and changing helps nobody. */
  #hasFaster(): boolean {
    return this.#options.candidates.some((_, i) => i !== this.#index && !this.#slow.has(i))
  }

  #fail(error: StowageError, offset: number): void {
    this.#drop()
    const { candidates, signal } = this.#options
    if (signal?.aborted || hasCode(error, 'aborted')) throw error
    const from = candidates[this.#index] as ReadCandidate
    this.#options.onOutcome?.(from.sourceId, { ok: false, code: error.code })
    if (this.#faults.length + 1 >= candidates.length * ROUNDS) throw this.failure(error)
    this.#faults.push({ sourceId: from.sourceId, error })
    this.#index = (this.#index + 1) % candidates.length
    const to = candidates[this.#index] as ReadCandidate
    this.#options.onFailover?.({ from: from.sourceId, to: to.sourceId, offset, code: error.code })
  }

  #drop(): void {
    this.#giveBack?.()
    this.#giveBack = undefined
    this.#watch?.stop()
    this.#watch = undefined
    this.#body?.destroy()
    this.#body = undefined
    this.#stream = undefined
    this.#rest = new Uint8Array(0)
    this.#position = -1
  }
}
