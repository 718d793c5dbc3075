import { createHash } from 'node:crypto'
import { BLOCK_SIZE, hasCode, StowageError, systemClock, throwIfAborted, toStowageError } from '@stowage/core'
import type { VerifiedReadOptions } from './options.ts'
import { Pieces } from './pieces.ts'
import { processBudget, type RetryBudget } from './retry-budget.ts'
import { Turns } from './turns.ts'
import { limitsOf, tooSlow, WatchedGet } from './watched-get.ts'

const nothing = new Uint8Array(0)

/** Bytes of a piece, unless told otherwise. */
const PIECE = 512 * 1024

/** The wanted bytes of a block, in pieces, and the digest of all of it. */
export interface FedBlock {
  pieces: Uint8Array[]
  digest: Uint8Array
}

/** The bytes in order, from whichever candidate serves. */
export class Feed {
  readonly #options: VerifiedReadOptions
  readonly #turns: Turns
  /** The end of the last block that is wanted: nothing beyond it is asked for. */
  readonly #end: number
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #leave: () => void
  #get: WatchedGet | undefined
  #position = -1
  /** The end of what the open request asked for. */
  #until = 0
  /** What came last, and what of it was not taken yet. */
  #chunk: Uint8Array = nothing
  #rest: Uint8Array = nothing
  /** Whether the open request gave anything yet. */
  #served = false
  /** Whether it was told that the open request serves. */
  #praised = false
  #giveBack: (() => void) | undefined
  /** Since the last bad block, the candidates that had a hand in the current block. */
  readonly #hands = new Set<number>()

  constructor(options: VerifiedReadOptions) {
    const { signal, range = { start: 0, length: options.size } } = options
    this.#options = options
    this.#turns = new Turns(options)
    this.#end = Math.min(options.size, Math.ceil((range.start + range.length) / BLOCK_SIZE) * BLOCK_SIZE)
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
    this.#leave = this.#budget.enter()
  }

  get #budget(): RetryBudget {
    return this.#options.budget ?? processBudget
  }

  /**
   * The block of `length` bytes at `from`; only its bytes from `start` to `end` (in the file) are kept.
   * @param isOne ask for no more than this block
   */
  async read(from: number, length: number, start: number, end: number, isOne: boolean): Promise<FedBlock> {
    if (this.#position !== from) this.#drop()
    const hash = createHash('sha256')
    const pieces = new Pieces(end - start, this.#options.pieceSize ?? PIECE)
    let at = from
    this.#hands.clear()
    while (at < from + length) {
      throwIfAborted(this.#signal)
      try {
        if (this.#get === undefined) await this.#open(at, isOne ? from + length : this.#end)
        this.#hands.add(this.#turns.index)
        if (this.#rest.length === 0) await this.#pull()
      } catch (error) {
        this.#fail(toStowageError(error, this.#signal), at)
        continue
      }
      const part = this.#rest.subarray(0, from + length - at)
      // In passing, while the bytes are in the processor's cache, and while the next ones are under way.
      hash.update(part)
      if (at + part.length > start && at < end) {
        pieces.add(part.subarray(Math.max(0, start - at), end - at))
      }
      at += part.length
      this.#rest = this.#rest.subarray(part.length)
      this.#position = at
      // All of it was copied, so the next bytes may come into its memory.
      if (this.#rest.length === 0) this.#get?.takeBack(this.#chunk)
    }
    // The connection may serve others.
    if (at === this.#until) this.#drop()
    return { pieces: pieces.list, digest: hash.digest() }
  }

  /** Ends the open request. */
  rest(): void {
    this.#drop()
  }

  /** The block that began at `offset` was wrong, and had been `tries` times before: whoever delivered it is left for the next. */
  reject(offset: number, tries: number): void {
    // A block of two hands: the next attempt reads all of it from one candidate, so that only one can be to blame.
    if (this.#hands.size > 1 && this.#turns.isLeft(tries)) this.#drop()
    else this.#fail(wrongBytes(), offset)
  }

  /**
   * A block is not known to be wrong.
   * @param proven its digest was there to check it against. Bytes alone say nothing of a source: one that stalls gives some each time.
   */
  forgive(proven: boolean): void {
    this.#turns.forgive()
    // Of an empty file nothing was asked.
    if (!proven || this.#praised || this.#hands.size === 0) return
    this.#praised = true
    this.#options.onOutcome?.(this.#turns.current.sourceId, { ok: true })
  }

  /** What to throw when the bytes of the whole file are wrong. */
  wrong(): StowageError {
    return this.#turns.failure(wrongBytes())
  }

  /** Ends what is under way. Nothing is asked for afterwards. */
  close(): void {
    this.#stop.abort()
    this.#drop()
    this.#leave()
  }

  async #open(start: number, until: number): Promise<void> {
    const { size, salvage, clock, stallMs, minBytesPerSecond } = this.#options
    const { current } = this.#turns
    if (this.#turns.isSecond) this.#giveBack = await this.#budget.take(this.#signal)
    const get = new WatchedGet(limitsOf(stallMs, minBytesPerSecond), clock ?? systemClock)
    this.#get = get
    const info = await this.#ask(get, start, until)
    if (info.size !== size && salvage !== true) {
      throw new StowageError('integrity', `"${current.key}" has ${info.size} bytes, not ${size}.`, { key: current.key })
    }
    this.#turns.etag = info.etag
    this.#position = start
    this.#until = until
    this.#served = false
    this.#praised = false
  }

  /** Asks for the bytes from `start` to `until` of the object that was read before, if one was. */
  async #ask(get: WatchedGet, start: number, until: number): ReturnType<WatchedGet['open']> {
    const { size } = this.#options
    const { current, etag } = this.#turns
    const call = {
      ...(start === 0 && until === size ? {} : { range: { start, length: until - start } }),
      ...(etag === undefined ? {} : { ifMatch: etag }),
      signal: this.#signal,
    }
    try {
      return await get.open(current.adapter, current.key, call, this.#turns.hasOther)
    } catch (error) {
      // What was replaced may have been mended: the next round looks at it anew, and its blocks are checked.
      if (hasCode(error, 'precondition-failed')) this.#turns.etag = undefined
      if (!hasCode(error, 'invalid-request') || start === 0) throw error
      throw new StowageError('integrity', `"${current.key}" ends before byte ${start}.`, {
        key: current.key,
        cause: error,
      })
    }
  }

  async #pull(): Promise<void> {
    const limited = this.#turns.hasOther
    const get = this.#get as WatchedGet
    const bytes = await get.next(limited)
    if (bytes === undefined) throw new StowageError('integrity', 'The object ended before its length.')
    if (limited && get.isSlow(bytes.length) && this.#turns.hasFaster) {
      this.#turns.isSlow()
      throw tooSlow()
    }
    this.#chunk = bytes
    this.#rest = bytes
    if (this.#served) return
    this.#served = true
    this.#giveBack?.()
  }

  #fail(error: StowageError, offset: number): void {
    this.#drop()
    if (this.#signal.aborted || hasCode(error, 'aborted')) throw error
    this.#options.onOutcome?.(this.#turns.current.sourceId, { ok: false, code: error.code, error })
    this.#turns.fail(error, offset)
  }

  #drop(): void {
    this.#giveBack?.()
    this.#giveBack = undefined
    this.#get?.close()
    this.#get = undefined
    this.#chunk = nothing
    this.#rest = nothing
    this.#position = -1
  }
}

function wrongBytes(): StowageError {
  return new StowageError('integrity', 'The bytes do not have the digest they should have.', {
    hint: 'Run stowage verify between the replicas, and repair the damaged one.',
  })
}
