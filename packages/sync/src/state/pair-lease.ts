import { StowageError } from '@stowage/core'
import type { Records } from './cas.ts'
import { Lease } from './lease.ts'
import { LEASE_MS, type LeasedRecord, type LeaseRecord } from './lease-record.ts'
import type { Owner } from './owner.ts'
import { decodePair, emptyPair, encodePair, type PairState } from './pair-record.ts'
import { longestQuiet } from './quiet.ts'

/**
 * The pair record while we own it. The lease, the cursor and the ledger's list change in one compare-and-swap, so who has lost the
 * lease cannot commit, and every request is made with {@link PairLease.signal}: none outlives the lease.
 */
export class PairLease {
  readonly signal: AbortSignal
  readonly token: number
  /** The state as it was before. */
  readonly inherited: Readonly<PairState>
  readonly #lease: Lease<PairState>

  private constructor(lease: Lease<PairState>, inherited: PairState) {
    this.#lease = lease
    this.inherited = inherited
    this.signal = lease.signal
    this.token = lease.value.token
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
    const hint = 'Nothing was lost: run it again and it goes on from the last checkpoint.'
    let inherited = emptyPair()
    const choose = (known: PairState | undefined, holder: LeaseRecord | undefined, now: number): PairState => {
      if (!accept(known))
        throw new StowageError('not-found', `"${key}" is not there to be worked on any more.`, { key })
      if (holder !== undefined) throw heldBy(holder, now)
      inherited = known ?? emptyPair()
      return { ...inherited, token: inherited.token + 1, clean: false, quietUntil: quietUntil(inherited, now) }
    }
    const quietUntil = ({ lease, quietUntil }: PairState, now: number): number => {
      // What a clock told that was wrong is not waited for again and again.
      if (lease === null || owner.isDead(lease.owner)) return Math.min(quietUntil, now + longestQuiet(records))
      const leaseMs = records.leaseMs ?? LEASE_MS
      return Math.min(lease.expiresAt, now + leaseMs) + leaseMs
    }
    const lease = await Lease.take({ records, record: pairRecord(key), owner, what: 'this sync', hint }, choose, signal)
    if (lease !== undefined) return new PairLease(lease, inherited)
    throw new StowageError('lease-held', 'Another run took this sync at the same moment.', {
      hint: 'Wait for it to end, or try again.',
    })
  }

  /** The state as last committed. */
  get state(): Readonly<PairState> {
    return this.#lease.value
  }

  /** Throws `lease-lost` unless the lease is ours for certain. */
  check(): void {
    this.#lease.check()
  }

  /** Changes the record, and renews the lease with it. Calls are served one after the other. */
  commit(change: (state: PairState) => PairState): Promise<PairState> {
    return this.#lease.commit(change)
  }

  /** Gives the lease back, together with a last change. */
  release(change: (state: PairState) => PairState): Promise<PairState> {
    return this.#lease.release(change)
  }

  /** Ends the heartbeat without giving the lease back. */
  abandon(): Promise<void> {
    return this.#lease.abandon()
  }
}

/** How the lease of a pair lies in its record. Its number, and that of the write, go with it. */
export function pairRecord(key: string): LeasedRecord<PairState> {
  return {
    key,
    decode: (bytes) => decodePair(key, bytes),
    encode: encodePair,
    leaseOf: ({ lease }) => lease,
    withLease: (state, lease) => ({
      ...state,
      lease: lease && { ...lease, token: state.token },
      sequence: state.sequence + 1,
    }),
  }
}

function heldBy({ owner, expiresAt }: LeaseRecord, now: number): StowageError {
  return new StowageError(
    'lease-held',
    `Another run (process ${owner.pid} on ${owner.host}) is working on this sync.`,
    {
      hint: `Wait for it to end. If it is gone, its lease ends by itself in ${Math.ceil((expiresAt - now) / 1000)} seconds.`,
    },
  )
}
