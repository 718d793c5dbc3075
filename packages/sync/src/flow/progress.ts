import { type Clock, RateMeter, Reporter, type SyncCounts, type SyncProgress, type TaskPhase } from '@stowage/core'
import { Bytes, ObjectBytes } from './bytes.ts'

/** Percent at most, while nobody knows how much there is; and what the guess by the share of keys begins with. */
const unknown = 10

/** Counts what a run does and reports it, at most ten times a second, with a smoothed rate and the time left. */
export class Progress {
  readonly objects: SyncCounts = { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 }
  readonly bytes: Bytes = new Bytes()
  /** All that is to be done is known. */
  listingDone = false
  /** It has come to its end, and everything succeeded. */
  complete = false
  phase: TaskPhase = 'listing'
  readonly #clock: Clock
  readonly #taskId: string
  readonly #reporter: Reporter<SyncProgress>
  readonly #meter: RateMeter
  readonly #onAlive: (began: number) => void
  /** Bytes that were on their way and came to nothing: what was shown is not taken back. */
  #vain = 0
  /** The share of the keys that were looked at, 0 to 1, as it was told first and last, and when. */
  #shares: { first: number; since: number; last: number } | undefined

  /** @param onAlive told of bytes that went on their way, with the time when the first of their piece did */
  constructor(
    taskId: string,
    clock: Clock,
    report: (progress: SyncProgress) => void,
    onAlive: (began: number) => void = () => undefined,
  ) {
    this.#onAlive = onAlive
    this.#taskId = taskId
    this.#clock = clock
    this.#reporter = new Reporter(clock, report)
    this.#meter = new RateMeter(clock.now())
  }

  /** Bytes a second, smoothed. */
  get rate(): number {
    return this.#meter.rate
  }

  /** The share of the keys that were looked at, 0 to 1, where it can be guessed. */
  get share(): number | undefined {
    return this.#shares?.last
  }

  /** Tells the share of the keys that were looked at. */
  looked(share: number): void {
    this.#shares = { ...(this.#shares ?? { first: share, since: this.#clock.now() }), last: share }
  }

  /** Begins to bring an object over. @param also counts that it counts in besides */
  begin(size: number, also?: Bytes): ObjectBytes {
    const moved = (bytes: number): void => {
      this.#meter.add(bytes)
      this.touch()
    }
    const vain = (bytes: number): void => {
      this.#vain += bytes
    }
    const piece = (): (() => void) => {
      let began: number | undefined
      return () => {
        began ??= this.#clock.now()
        this.#onAlive(began)
      }
    }
    return new ObjectBytes(size, also === undefined ? [this.bytes] : [this.bytes, also], moved, vain, piece)
  }

  /** Leaves to others what is still to come of a part of the run. */
  leave(part: Bytes): void {
    const { left } = part
    part.total -= left
    this.bytes.total -= left
  }

  /** Reports if the last report is old enough. */
  touch(): void {
    this.#reporter.touch(this.#make)
  }

  /** Reports now: at changes of phase and at the end, so that the last report is exact. */
  flush(): void {
    this.#reporter.flush(this.#make)
  }

  snapshot(): SyncProgress {
    const { arrived, passing } = this.bytes
    const bytes = arrived + passing + this.#vain
    const left = this.#left
    const secondsLeft = this.#secondsLeft()
    return {
      taskId: this.#taskId,
      phase: this.phase,
      objects: { ...this.objects },
      bytes,
      totalBytes: bytes + left,
      listingDone: this.listingDone,
      percent: percentOf({ done: bytes, left, ...this.#known() }),
      rate: this.rate,
      ...(secondsLeft === undefined ? {} : { secondsLeft }),
    }
  }

  /** What has not gone on its way yet. */
  get #left(): number {
    return Math.max(0, this.bytes.left - this.bytes.passing)
  }

  #known(): Omit<Amounts, 'done' | 'left'> {
    const { share } = this
    return { complete: this.complete, listed: this.listingDone, ...(share === undefined ? {} : { share }) }
  }

  /** By what is left, when that is known; else by how long it took to look at a good share of the keys. */
  #secondsLeft(): number | undefined {
    if (this.listingDone) {
      const left = this.#left
      if (left === 0) return 0
      return this.rate > 0 && left / this.rate < mostSeconds ? left / this.rate : undefined
    }
    if (this.#shares === undefined) return undefined
    const { first, since, last } = this.#shares
    const seen = last - first
    return seen < leastSeen ? undefined : (((this.#clock.now() - since) / 1000) * (1 - last)) / seen
  }

  readonly #make = (): SyncProgress => {
    this.#meter.sample(this.#clock.now())
    return this.snapshot()
  }
}

/** Share of the keys that must have been looked at before it tells anything about the time left. */
const leastSeen = 0.05

/** More than this is no time that anybody would plan with: nearly nothing comes. A year. */
const mostSeconds = 365 * 86_400

/** How much is done, and how much is known of what is to come. */
export interface Amounts {
  /** bytes */
  done: number
  /** bytes, as far as known */
  left: number
  /** Whether all that is to be done is known. */
  listed: boolean
  /** Of the keys looked at, 0 to 1, where that can be guessed. */
  share?: number
  /** Whether all of it is done. */
  complete: boolean
}

/** How much is done, in whole percent. What has not come to its end is never at 100. */
export function percentOf({ done, left, listed, share, complete }: Amounts): number {
  if (complete) return 100
  const all = done + left
  const ofBytes = all === 0 ? 1 : done / all
  if (listed) return Math.min(99, Math.floor(100 * ofBytes))
  const most = share === undefined ? unknown : unknown + (100 - unknown) * share
  return Math.min(99, Math.floor(most), Math.floor(100 * (all === 0 ? (share ?? 0) : ofBytes)))
}
