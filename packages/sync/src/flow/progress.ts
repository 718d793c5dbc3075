import { type Clock, RateMeter, type SyncCounts, type SyncProgress, type TaskPhase } from '@stowage/core'

/** Least time between two reports, in milliseconds. */
const interval = 100

/** Counts what a run does and reports it, at most ten times a second, with a smoothed rate and the time left. */
export class Progress {
  readonly objects: SyncCounts = { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 }
  /** Bytes sent in this run. */
  transferred = 0
  /** Bytes that an earlier run had sent and that were not sent again. */
  resumed = 0
  /** Bytes of all objects that this run has to bring over, as far as known. */
  total = 0
  /** Bytes of {@link total} that need not be sent any more: they arrived, were resumed, or their object failed. */
  settled = 0
  listingDone = false
  phase: TaskPhase = 'listing'
  readonly #clock: Clock
  readonly #taskId: string
  readonly #report: (progress: SyncProgress) => void
  readonly #meter: RateMeter
  #lastReport = Number.NEGATIVE_INFINITY

  constructor(taskId: string, clock: Clock, report: (progress: SyncProgress) => void) {
    this.#taskId = taskId
    this.#clock = clock
    this.#report = report
    this.#meter = new RateMeter(clock.now())
  }

  /** Bytes a second, smoothed. */
  get rate(): number {
    return this.#meter.rate
  }

  /** Notes bytes that arrived at the target. */
  sent(bytes: number): void {
    this.transferred += bytes
    this.settled += bytes
    this.#meter.add(bytes)
    this.touch()
  }

  /** Reports if the last report is old enough. */
  touch(): void {
    const now = this.#clock.now()
    if (now - this.#lastReport < interval) return
    this.#meter.sample(now)
    this.#lastReport = now
    this.#report(this.snapshot())
  }

  /** Reports now: at changes of phase and at the end, so that the last report is exact. */
  flush(): void {
    this.#lastReport = this.#clock.now()
    this.#meter.sample(this.#lastReport)
    this.#report(this.snapshot())
  }

  snapshot(): SyncProgress {
    const left = Math.max(0, this.total - this.settled)
    const { rate } = this.#meter
    return {
      taskId: this.#taskId,
      phase: this.phase,
      objects: { ...this.objects },
      bytes: this.transferred,
      totalBytes: Math.max(this.transferred, this.total - this.resumed),
      listingDone: this.listingDone,
      rate,
      ...(this.listingDone && rate > 0 ? { secondsLeft: left / rate } : {}),
    }
  }
}
