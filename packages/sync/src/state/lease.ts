import { hasCode, StowageError, throwIfAborted } from '@stowage/core'
import { deleteRecord, type Records, readRecord, storeNow, writeRecord } from './cas.ts'
import { isHeld, LEASE_MS, type LeasedRecord, type LeaseRecord, newLease } from './lease-record.ts'
import type { Owner } from './owner.ts'

/** The share of it that its owner counts on: clocks of stores that tell whole seconds are known to a second and the time of a request. */
const HELD = (LEASE_MS - 2000) / LEASE_MS

/** Tries to take a record that others take as well, and to write one that others write as well. */
const [takes, writes] = [5, 20]

/** What a lease is made of. */
export interface LeaseOptions<T> {
  records: Records
  record: LeasedRecord<T>
  owner: Owner
  /** What is held, for messages. */
  what: string
  /** What to do when it is lost, for messages. */
  hint?: string
  /** For a record that others may write to as well: how often it is read, in milliseconds, and who is told of what it says. */
  watch?: { everyMs: number; onSeen: (value: T) => void }
}

/** A value as it was found, or written. */
export interface Revised<T> {
  value: T
  revision: string
}

/**
 * Says what becomes of a record that is about to be taken.
 * @param found `undefined` when there is none
 * @param holder who has it; then it is not taken, whatever is given back
 * @param now by the store's clock
 * @returns what is to be held, without its lease; `undefined` to leave it
 */
export type Choose<T> = (found: T | undefined, holder: LeaseRecord | undefined, now: number) => T | undefined

/**
 * A record of the store while we have it: the one way in which a process says that it works on something. The lease lies in the record, and
 * changes with it in one compare-and-swap, so who has lost it cannot write. A heartbeat keeps it. {@link Lease.signal} fires when it is lost or
 * cannot be renewed in time, before anybody else can have it; what is done under the lease is done with that signal. Of a process that died,
 * another one of its machine takes it over at once, and one of another machine when it has run out.
 */
export class Lease<T> {
  readonly signal: AbortSignal
  readonly #options: LeaseOptions<T>
  readonly #ms: number
  readonly #owner: LeaseRecord['owner']
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  readonly #loops: Promise<unknown>
  #found: Revised<T>
  #validUntil: number
  #renewals = 0
  #over = false
  #queue: Promise<unknown> = Promise.resolve()

  /**
   * Holds a record that says already that it is ours.
   * @param asked when its lease was asked for, by the machine's clock
   */
  constructor(options: LeaseOptions<T>, found: Revised<T>, asked: number) {
    const lease = options.record.leaseOf(found.value)
    if (!lease) throw new StowageError('internal', `The record "${options.record.key}" says nothing of a lease.`)
    this.#options = options
    this.#ms = options.records.leaseMs ?? LEASE_MS
    this.#owner = lease.owner
    this.#found = found
    this.#validUntil = asked + this.#ms * HELD
    this.signal = this.#lost.signal
    this.#loops = Promise.all([this.#beat(), this.#watch()])
  }

  /**
   * Takes a record, or makes it.
   * @param choose see {@link Choose}; what it throws is thrown
   * @returns `undefined` when it is left, or somebody else has it
   */
  static async take<T>(
    options: LeaseOptions<T>,
    choose: Choose<T>,
    signal: AbortSignal,
  ): Promise<Lease<T> | undefined> {
    const { records, record, owner } = options
    for (let tries = 0; tries < takes; tries++) {
      throwIfAborted(signal)
      const stored = await readRecord(records, record.key, signal)
      const found = stored === undefined ? undefined : record.decode(stored.value)
      const asked = records.clock.now()
      const now = await storeNow(records, signal)
      const old = found === undefined ? undefined : record.leaseOf(found)
      const holder = isHeld(old, owner, now) ? old : undefined
      const chosen = choose(found, holder, now)
      if (chosen === undefined || holder !== undefined) return undefined
      const value = record.withLease(chosen, newLease(records, owner, now))
      try {
        const bytes = record.encode(value)
        const revision = await writeRecord(records, record.key, bytes, stored?.revision ?? null, signal)
        return new Lease(options, { value, revision }, asked)
      } catch (error) {
        if (!hasCode(error, 'conflict')) throw error
      }
    }
    return undefined
  }

  /** The value as it was last seen, or written. */
  get value(): T {
    return this.#found.value
  }

  /** The same, with the revision of its record. */
  get found(): Revised<T> {
    return this.#found
  }

  /** Throws `lease-lost` unless the lease is ours for certain. */
  check(): void {
    if (this.signal.aborted) throw this.signal.reason
    if (this.#options.records.clock.now() >= this.#validUntil) throw this.#ranOut()
  }

  /**
   * Changes the record, and renews the lease with it. Calls are served one after the other.
   * @param change is asked again when somebody else, who is not after the lease, wrote in between
   * @throws StowageError `lease-lost`
   */
  commit(change: (value: T) => T): Promise<T> {
    return this.#inTurn(() => this.#commit(change, true))
  }

  /** Gives the lease back, together with a last change. @throws StowageError `lease-lost` */
  async release(change: (value: T) => T = (value) => value): Promise<T> {
    try {
      return await this.#inTurn(() => this.#commit(change, false))
    } finally {
      await this.abandon()
    }
  }

  /** Gives the lease back by deleting the record, unless somebody else wrote to it. @returns whether it is gone */
  async remove(): Promise<boolean> {
    const { records, record } = this.#options
    try {
      return await this.#inTurn(async () => {
        this.check()
        this.#over = true
        await deleteRecord(records, record.key, this.signal, this.#found.revision)
        return true
      })
    } catch (error) {
      if (hasCode(error, 'conflict')) return false
      throw error
    } finally {
      await this.abandon()
    }
  }

  /** Reads the record anew. @returns whether it is still ours */
  look(signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(() => this.#look(signal))
  }

  /** Ends the heartbeat, and leaves the lease to run out. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#loops
    await this.#queue
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const next = this.#queue.then(work)
    this.#queue = next.catch(() => undefined)
    return next
  }

  async #commit(change: (value: T) => T, keep: boolean): Promise<T> {
    const { records, record } = this.#options
    for (let tries = 1; ; tries++) {
      // A heartbeat that comes after the end must not take the record again.
      if (this.#over) return this.value
      this.check()
      const asked = records.clock.now()
      const now = await storeNow(records, this.signal)
      const lease = keep ? { owner: this.#owner, expiresAt: now + this.#ms } : null
      const { revision } = this.#found
      const value = record.withLease(change(this.value), lease)
      try {
        const written = await writeRecord(records, record.key, record.encode(value), revision, this.signal)
        this.#found = { value, revision: written }
      } catch (error) {
        if (!hasCode(error, 'conflict') || tries >= writes) throw error
        if (!(await this.#look(this.signal))) throw this.signal.reason
        continue
      }
      this.#over = !keep
      this.#validUntil = asked + this.#ms * HELD
      this.#renewals++
      return value
    }
  }

  async #look(signal: AbortSignal): Promise<boolean> {
    const { records, record, what } = this.#options
    const stored = await readRecord(records, record.key, signal)
    const value = stored === undefined ? undefined : record.decode(stored.value)
    if (stored === undefined || value === undefined || record.leaseOf(value)?.owner.nonce !== this.#owner.nonce) {
      this.#lose(`Another process took ${what} over.`)
      return false
    }
    this.#found = { value, revision: stored.revision }
    return true
  }

  /** Waits are counted, whatever the clock says: it may have been set back. */
  async #beat(): Promise<void> {
    const { records, watch } = this.#options
    const { clock } = records
    const third = this.#ms / 3
    let pause = watch?.everyMs ?? third
    let waited = 0
    let renewedAt = clock.now()
    while (!this.#stop.signal.aborted && !this.signal.aborted) {
      try {
        await clock.sleep(pause, this.#stop.signal)
        waited += pause
        pause = watch?.everyMs ?? third
        if (watch !== undefined) {
          if (!(await this.look(this.#stop.signal))) return
          watch.onSeen(this.value)
        }
        if (waited < third && clock.now() - renewedAt < third) continue
        await this.commit((value) => value)
        waited = 0
        renewedAt = clock.now()
      } catch {
        // Tried again soon, until the watch ends the lease.
        pause = Math.min(pause, this.#ms / 30)
      }
    }
  }

  /** A clock that was set back says that there is time left. So waits are counted, too: they take as long as they take. */
  async #watch(): Promise<void> {
    const step = this.#ms / 10
    let seen = this.#renewals
    let waited = 0
    while (!this.#stop.signal.aborted && !this.signal.aborted) {
      const left = Math.min(step, this.#validUntil - this.#options.records.clock.now())
      if (left <= 0 || waited + step >= this.#ms) return void this.#ranOut()
      await this.#options.records.clock.sleep(left, this.#stop.signal).catch(() => undefined)
      waited = this.#renewals === seen ? waited + left : 0
      seen = this.#renewals
    }
  }

  #ranOut(): StowageError {
    return this.#lose(`The lease of ${this.#options.what} ran out before it could be renewed.`)
  }

  #lose(why: string): StowageError {
    const { hint = 'Nothing was lost: whoever has it now goes on from what was written down.' } = this.#options
    const error = new StowageError('lease-lost', why, { hint })
    this.#lost.abort(error)
    return error
  }
}
