import { type Clock, decodeRecord, encodeRecord, hasCode, type SyncStore } from '@stowage/core'
import { type LeaseRecord, processOwner } from '@stowage/sync'
import { isLeased, type Leased, withLease } from '../records/index.ts'

const key = 'routing/health/prober'

/** How long it lasts without a sign of life, and how often it is renewed, in milliseconds. */
const [leaseMs, renewMs] = [30_000, 10_000]

/** Where the catalog does not answer, it is asked again after so long. */
const awayMs = 5_000

/** Who of all processes on a catalog probes the sources. While the catalog does not answer, each does so for itself. */
export class ProbeLease {
  readonly #store: SyncStore
  readonly #clock: Clock
  readonly #holder: string
  #renewAt = Number.NEGATIVE_INFINITY
  #isMine = false

  /** @param holder names this process */
  constructor(store: SyncStore, clock: Clock, holder: string) {
    this.#store = store
    this.#clock = clock
    this.#holder = holder
  }

  /** Whether this process probes now; where not, after how many milliseconds it is worth asking again. */
  async take(): Promise<{ mine: boolean; waitMs: number }> {
    const now = this.#clock.now()
    if (now < this.#renewAt) return { mine: true, waitMs: 0 }
    try {
      const time = await this.#store.now()
      const found = await this.#store.get(key)
      const record = found === undefined ? {} : decodeRecord<Leased>(key, found.value)
      if (isLeased(record, time) && !this.#isHolder(record)) {
        this.#isMine = false
        return { mine: false, waitMs: (record.lease?.expiresAt ?? time) - time }
      }
      const owner = { ...processOwner.identity, nonce: this.#holder }
      const lease: LeaseRecord = { owner, expiresAt: time + leaseMs }
      await this.#store.put(key, encodeRecord(withLease(record, lease)), found?.revision ?? null)
      this.#isMine = true
      this.#renewAt = now + renewMs
      return { mine: true, waitMs: 0 }
    } catch (error) {
      if (hasCode(error, 'conflict', 'newer-format')) {
        this.#isMine = false
        return { mine: false, waitMs: renewMs }
      }
      this.#renewAt = now + awayMs
      return { mine: true, waitMs: 0 }
    }
  }

  /** Lets another process have it at once. Does not throw. */
  async release(): Promise<void> {
    if (!this.#isMine) return
    this.#isMine = false
    this.#renewAt = Number.NEGATIVE_INFINITY
    try {
      const found = await this.#store.get(key)
      if (found === undefined) return
      const record = decodeRecord<Leased>(key, found.value)
      if (this.#isHolder(record)) await this.#store.put(key, encodeRecord(withLease(record, null)), found.revision)
    } catch {
      // It ends by itself.
    }
  }

  #isHolder({ lease }: Leased): boolean {
    return lease?.owner.nonce === this.#holder
  }
}
