import { type Clock, hasCode, StowageError, throwIfAborted } from '@stowage/core'
import { type Records, readRecord, storeNow, writeRecord } from './cas.ts'
import type { Owner } from './owner.ts'
import { decodePair, emptyPair, encodePair, type Lease, type PairState } from './pair-record.ts'

/** How long a lease lasts without a heartbeat, in milliseconds. */
export const LEASE_MS = 30_000

/** The share of it that its owner counts on: clocks of stores that tell whole seconds are known to a second and the time of a request. */
const HELD = (LEASE_MS - 2000) / LEASE_MS

/**
 * The pair record while we own it. The lease, the cursor and the ledger's list change in one compare-and-swap, so who has lost the
 * lease cannot commit. {@link signal} fires when the lease is lost or cannot be renewed in time, and every request is made with it:
 * none outlives the lease.
 */
export class PairLease {
  readonly signal: AbortSignal
  readonly token: number
  /** The state as it was before. */
  readonly inherited: Readonly<PairState>
  readonly #records: Records
  readonly #clock: Clock
  readonly #key: string
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  #state: PairState
  #revision: string
  #validUntil: number
  #queue: Promise<unknown> = Promise.resolve()
  #loops: Promise<unknown>

  private constructor(
    records: Records,
    key: string,
    state: PairState,
    inherited: PairState,
    revision: string,
    validUntil: number,
  ) {
    this.inherited = inherited
    this.#records = records
    this.#clock = records.clock
    this.#key = key
    this.#state = state
    this.#revision = revision
    this.#validUntil = validUntil
    this.token = state.token
    this.signal = this.#lost.signal
    this.#loops = Promise.all([this.#heartbeat(), this.#watch()])
  }

  /**
   * Takes the lease of a pair, or of a partition.
   * @param accept whether the record is still one to take; `undefined`: there is none
   * @throws StowageError `lease-held` when a live run has it, `newer-format` when a newer version wrote the record, `not-found` when it is
   * not accepted
   */
  static async acquire(
    records: Records,
    key: string,
    owner: Owner,
    signal: AbortSignal,
    accept: (state: PairState | undefined) => boolean = () => true,
  ): Promise<PairLease> {
    const nonce = records.random.id(records.clock.now())
    for (let tries = 0; tries < 5; tries++) {
      throwIfAborted(signal)
      const found = await readRecord(records, key, signal)
      const known = found === undefined ? undefined : decodePair(key, found.value)
      if (!accept(known))
        throw new StowageError('not-found', `"${key}" is not there to be worked on any more.`, { key })
      const old = known ?? emptyPair()
      const leaseMs = leaseOf(records)
      const asked = records.clock.now()
      const now = await storeNow(records, signal)
      refuseIfHeld(old.lease, owner, now)
      const taken = old.lease !== null && !owner.isDead(old.lease.owner)
      const token = old.token + 1
      const lease: Lease = { owner: { ...owner.identity, nonce }, token, expiresAt: now + leaseMs }
      const quietUntil = taken ? (old.lease?.expiresAt ?? 0) + leaseMs : old.quietUntil
      const state: PairState = { ...old, lease, token, sequence: old.sequence + 1, quietUntil, clean: false }
      try {
        const revision = await writeRecord(records, key, encodePair(state), found?.revision ?? null, signal)
        return new PairLease(records, key, state, old, revision, asked + leaseMs * HELD)
      } catch (error) {
        if (!hasCode(error, 'conflict')) throw error
      }
    }
    throw new StowageError('lease-held', 'Another run took this sync at the same moment.', {
      hint: 'Wait for it to end, or try again.',
    })
  }

  /** The state as last committed. */
  get state(): Readonly<PairState> {
    return this.#state
  }

  /** Throws `lease-lost` unless the lease is ours for certain. */
  check(): void {
    if (this.signal.aborted) throw this.signal.reason
    if (this.#clock.now() < this.#validUntil) return
    throw this.#lose('The lease ran out before it could be renewed.')
  }

  /** Changes the record, and renews the lease with it. Calls are served one after the other. */
  commit(change: (state: PairState) => PairState): Promise<PairState> {
    const next = this.#queue.then(() => this.#commit(change))
    this.#queue = next.catch(() => undefined)
    return next
  }

  async #commit(change: (state: PairState) => PairState): Promise<PairState> {
    this.check()
    const asked = this.#clock.now()
    const now = await storeNow(this.#records, this.signal)
    const changed = change(this.#state)
    const lease = changed.lease === null ? null : { ...changed.lease, expiresAt: now + leaseOf(this.#records) }
    const state = { ...changed, lease, sequence: this.#state.sequence + 1 }
    try {
      this.#revision = await writeRecord(this.#records, this.#key, encodePair(state), this.#revision, this.signal)
    } catch (error) {
      if (hasCode(error, 'conflict')) throw this.#lose('Another run took this sync over.')
      throw error
    }
    this.#state = state
    this.#validUntil = asked + leaseOf(this.#records) * HELD
    return state
  }

  /** Gives the lease back, together with a last change. */
  async release(change: (state: PairState) => PairState): Promise<PairState> {
    try {
      return await this.commit((state) => ({ ...change(state), lease: null }))
    } finally {
      await this.abandon()
    }
  }

  /** Ends the heartbeat without giving the lease back. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#loops
  }

  async #heartbeat(): Promise<void> {
    while (!this.#stop.signal.aborted && !this.signal.aborted) {
      try {
        await this.#clock.sleep(leaseOf(this.#records) / 3, this.#stop.signal)
        // Whatever the clock says: it may have been set back.
        await this.commit((state) => state)
      } catch {
        // A failed renewal is tried again until the watch ends the lease.
      }
    }
  }

  /** A clock that was set back says that there is time left. So waits are counted, too: they take as long as they take. */
  async #watch(): Promise<void> {
    const leaseMs = leaseOf(this.#records)
    const step = leaseMs / 10
    let seen = this.#state
    let waited = 0
    while (!this.#stop.signal.aborted && !this.signal.aborted) {
      const left = Math.min(step, this.#validUntil - this.#clock.now())
      if (left <= 0 || waited + step >= leaseMs) return void this.#lose('The lease ran out before it could be renewed.')
      await this.#clock.sleep(left, this.#stop.signal).catch(() => undefined)
      waited = this.#state === seen ? waited + left : 0
      seen = this.#state
    }
  }

  #lose(why: string): StowageError {
    const error = new StowageError('lease-lost', why, {
      hint: 'Nothing was lost: run it again and it goes on from the last checkpoint.',
    })
    this.#lost.abort(error)
    return error
  }
}

function leaseOf({ leaseMs = LEASE_MS }: Records): number {
  return leaseMs
}

/** Whether somebody works under this lease, for all that is known. @param now by the store's clock */
export function isHeld(lease: Lease | null, owner: Owner, now: number): lease is Lease {
  return lease !== null && lease.expiresAt > now && !owner.isDead(lease.owner)
}

function refuseIfHeld(lease: Lease | null, owner: Owner, now: number): void {
  if (!isHeld(lease, owner, now)) return
  throw new StowageError(
    'lease-held',
    `Another run (process ${lease.owner.pid} on ${lease.owner.host}) is working on this sync.`,
    {
      hint: `Wait for it to end. If it is gone, its lease ends by itself in ${Math.ceil((lease.expiresAt - now) / 1000)} seconds.`,
    },
  )
}
