import { type ErrorCode, StowageError } from '@stowage/core'
import { allFailed, type Fault } from '../places.ts'
import type { ReadCandidate, VerifiedReadOptions } from './options.ts'

/** How often each candidate may fail on one block before the read gives up: twice, so that one that hiccups can help again. */
const ROUNDS = 2

/** Which candidate serves, and which failed since the last good block. */
export class Turns {
  readonly #candidates: readonly ReadCandidate[]
  readonly #onFailover: VerifiedReadOptions['onFailover']
  #index = 0
  #faults: Fault[] = []
  /** Of the object of a candidate that was opened: what replaced it since is not the same object. */
  readonly #etags = new Map<number, string>()
  /** Candidates that were left since they were slow: nobody goes from one of them to another. */
  readonly #slow = new Set<number>()

  constructor({ candidates, onFailover }: Pick<VerifiedReadOptions, 'candidates' | 'onFailover'>) {
    if (candidates.length === 0) throw new StowageError('no-source', 'No source holds a copy that can be read.')
    this.#candidates = candidates
    this.#onFailover = onFailover
  }

  get index(): number {
    return this.#index
  }

  get current(): ReadCandidate {
    return this.#candidates[this.#index] as ReadCandidate
  }

  /** Whether this is not the first attempt at a block. */
  get isSecond(): boolean {
    return this.#faults.length > 0
  }

  /** What the current candidate's object was when it was opened first. */
  get etag(): string | undefined {
    return this.#etags.get(this.#index)
  }

  set etag(etag: string | undefined) {
    if (etag === undefined) this.#etags.delete(this.#index)
    else this.#etags.set(this.#index, etag)
  }

  /** Whether the read would go on elsewhere: the last attempt has the time that its source's own limits give it. */
  get hasOther(): boolean {
    return this.#candidates.length > 1 && !this.#isLast(this.#faults.length)
  }

  /** Whether there is a candidate that is not known to be slow. Where all are, the network is, and changing helps nobody. */
  get hasFaster(): boolean {
    return this.#candidates.some((_, i) => i !== this.#index && !this.#slow.has(i))
  }

  isSlow(): void {
    this.#slow.add(this.#index)
  }

  /** Whether so many tries leave another one. */
  isLeft(tries: number): boolean {
    return tries < this.#candidates.length * ROUNDS
  }

  /** The current candidate failed at this byte: it is the next one's turn. @throws StowageError that names all when none is left */
  fail(error: StowageError, offset: number): void {
    const from = this.current.sourceId
    if (this.#isLast(this.#faults.length)) throw this.failure(error)
    this.#faults.push({ sourceId: from, error })
    this.#index = (this.#index + 1) % this.#candidates.length
    const code: ErrorCode = error.code
    this.#onFailover?.({ from, to: this.current.sourceId, offset, code })
  }

  /** A block was right: what failed before it counts no more, however long the file is. */
  forgive(): void {
    this.#faults = []
  }

  /** What to throw when the current candidate failed so and no other is left. Whoever asks again after it begins anew. */
  failure(error: StowageError): StowageError {
    const { sourceId, key } = this.current
    const faults = [...this.#faults, { sourceId, error }]
    this.#faults = []
    return allFailed(`"${key}"`, key, faults)
  }

  #isLast(faults: number): boolean {
    return !this.isLeft(faults + 1)
  }
}
