import { type Clock, StowageError } from '@stowage/core'
import { storeNow } from '../state/index.ts'
import type { Entries, Found } from './entries.ts'
import type { QueueEntry } from './entry.ts'

/** How long a worker has a task without telling that it lives, in milliseconds. */
export const TASK_LEASE_MS = 30_000

/** How often a worker looks whether its task is to be paused or cancelled, in milliseconds. */
const lookMs = 1000

const marginMs = 2000

/**
 * A running task while a worker has it. The signal fires when the lease is lost: then another worker may have the task. What the two write at the
 * places themselves is kept apart by the lease of the sync.
 */
export class EntryLease {
  readonly signal: AbortSignal
  readonly #entries: Entries
  readonly #clock: Clock
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  readonly #onAsked: (asked: 'pause' | 'cancel') => void
  readonly #loops: Promise<unknown>
  #found: Found
  #validUntil: number
  #queue: Promise<unknown> = Promise.resolve()

  /** @param asked when the lease was asked for, by the machine's clock */
  constructor(entries: Entries, found: Found, asked: number, onAsked: (asked: 'pause' | 'cancel') => void) {
    this.#entries = entries
    this.#clock = entries.records.clock
    this.#found = found
    this.#onAsked = onAsked
    this.#validUntil = asked + TASK_LEASE_MS - marginMs
    this.signal = this.#lost.signal
    this.#loops = Promise.all([this.#beat(), this.#watch()])
  }

  /** The entry as it was last seen. */
  get entry(): QueueEntry {
    return this.#found.entry
  }

  /**
   * Ends the lease with another state of the task. When somebody asked for something in the meantime, the state is found anew.
   * @returns undefined when the lease was lost
   */
  async end(
    change: (entry: QueueEntry) => Promise<Partial<QueueEntry>>,
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    await this.abandon()
    for (;;) {
      const moved = await this.#entries.move(this.#found, await change(this.#found.entry), signal)
      if (moved !== undefined || !(await this.#look(signal))) return moved
    }
  }

  /** Whether nobody has taken the task over. */
  isOurs(signal: AbortSignal): Promise<boolean> {
    return this.#look(signal)
  }

  /** Ends the heartbeat, and leaves the lease to run out. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#loops
    await this.#queue
  }

  async #beat(): Promise<void> {
    let renewed = this.#clock.now()
    while (!this.#stop.signal.aborted && !this.signal.aborted) {
      try {
        await this.#clock.sleep(lookMs, this.#stop.signal)
        const asked = this.#found.entry.asked
        if (!(await this.#look(this.#stop.signal))) return
        const now = this.#found.entry.asked
        if (now !== undefined && now !== asked) this.#onAsked(now)
        if (Math.abs(this.#clock.now() - renewed) < TASK_LEASE_MS / 3) continue
        await this.#renew()
        renewed = this.#clock.now()
      } catch {
        // A store that is away: tried again, until the watch ends the lease.
      }
    }
  }

  async #renew(): Promise<void> {
    const { records } = this.#entries
    const asked = this.#clock.now()
    const expiresAt = (await storeNow(records, this.#stop.signal)) + TASK_LEASE_MS
    const { entry, revision } = this.#found
    if (entry.lease === undefined) return
    const writing = this.#entries.write({ ...entry, lease: { ...entry.lease, expiresAt } }, revision, this.#lost.signal)
    this.#queue = writing.catch(() => undefined)
    const written = await writing
    if (written === undefined) return
    this.#found = written
    this.#validUntil = asked + TASK_LEASE_MS - marginMs
  }

  /** Reads the record. @returns whether it is still ours */
  async #look(signal: AbortSignal): Promise<boolean> {
    const now = await this.#entries.read(this.#found.entry.id, signal)
    if (now?.entry.sequence === this.#found.entry.sequence) {
      this.#found = now
      return true
    }
    this.#lose('Another worker took this task over.')
    return false
  }

  /** Waits are counted as well: a clock that was set back says that there is time left. */
  async #watch(): Promise<void> {
    const step = TASK_LEASE_MS / 10
    let seen = this.#validUntil
    let waited = 0
    while (!this.#stop.signal.aborted && !this.signal.aborted) {
      const left = Math.min(step, this.#validUntil - this.#clock.now())
      if (left <= 0 || waited + step >= TASK_LEASE_MS) return this.#lose('The lease of the task ran out.')
      await this.#clock.sleep(left, this.#stop.signal).catch(() => undefined)
      waited = this.#validUntil === seen ? waited + left : 0
      seen = this.#validUntil
    }
  }

  #lose(why: string): void {
    this.#lost.abort(new StowageError('lease-lost', why, { hint: 'Nothing was lost: another worker goes on with it.' }))
  }
}
