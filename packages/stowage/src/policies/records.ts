import {
  type Clock,
  decodeRecord,
  encodeRecord,
  hasCode,
  type Random,
  StowageError,
  type SyncStore,
} from '@stowage/core'
import { Lease, type LeasedRecord, processOwner } from '@stowage/sync'
import { type Leased, withLease } from '../records/index.ts'

/** About ten seconds of tries: a database that is started anew stops nobody. */
const ATTEMPTS = 12
const [firstPauseMs, longestPauseMs] = [100, 2000]

/** What records are kept with. */
export interface RecordsOptions {
  store: SyncStore
  clock: Clock
  random: Random
}

/** Small records that several processes change by compare-and-swap. */
export class Records {
  readonly #options: RecordsOptions

  constructor(options: RecordsOptions) {
    this.#options = options
  }

  /** The store's clock, which all processes share. */
  now(signal?: AbortSignal): Promise<number> {
    return this.#patiently(() => this.#options.store.now(), signal)
  }

  /** @throws StowageError `newer-format` for a record of a newer version, `integrity` for one that cannot be read */
  async read<T extends object>(key: string, signal?: AbortSignal): Promise<T | undefined> {
    const found = await this.#patiently(() => this.#options.store.get(key), signal)
    return found === undefined ? undefined : contentOf<T>(key, found.value)
  }

  /**
   * Changes a record, whatever others change at the same time: `change` is asked again with what is there then. When it gives back what it was
   * given, nothing is written.
   * @returns what is there now
   */
  async change<T extends object>(
    key: string,
    change: (before: T | undefined) => T | undefined,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    const { store } = this.#options
    return await this.#patiently(async () => {
      const found = await store.get(key)
      const before = found === undefined ? undefined : contentOf<T>(key, found.value)
      const after = change(before)
      if (after === before || after === undefined) return before
      const bytes = this.#encode(after)
      try {
        await store.put(key, bytes, found?.revision ?? null)
        return after
      } catch (error) {
        if (!hasCode(error, 'unavailable', 'timeout', 'conflict')) throw error
        const there = await store.get(key)
        if (there !== undefined && Buffer.compare(there.value, bytes) === 0) return after
        throw error
      }
    }, signal)
  }

  /**
   * Takes a record, or makes it, and has it until it is given back. Others may still write to it with {@link change}.
   * @param what is held, for messages
   * @param choose what is to be held; `undefined` to leave it. It is not asked while another process has it
   * @returns `undefined` when it is left, or another process has it
   */
  async take<T extends Leased>(
    key: string,
    what: string,
    choose: (before: T | undefined, now: number) => T | undefined,
    signal: AbortSignal,
  ): Promise<Lease<T> | undefined> {
    return await Lease.take(
      { records: this.#options, record: this.leased<T>(key), owner: processOwner, what },
      (before, holder, now) => (holder === undefined ? choose(before, now) : undefined),
      signal,
    )
  }

  /** How the lease of a record lies in it. */
  leased<T extends Leased>(key: string): LeasedRecord<T> {
    return {
      key,
      decode: (bytes) => contentOf<T>(key, bytes),
      encode: (value) => this.#encode(value),
      leaseOf: ({ lease }) => lease,
      withLease,
    }
  }

  /** Writes a record that nobody else writes, such as one with a name of its own. */
  async write(key: string, value: object, signal?: AbortSignal): Promise<void> {
    await this.change(key, () => value, signal)
  }

  /** The keys below a prefix, in order. */
  async list(prefix: string, options: { limit: number; after?: string }, signal?: AbortSignal): Promise<string[]> {
    return await this.#patiently(() => this.#options.store.list(prefix, options), signal)
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#patiently(() => this.#options.store.delete(key), signal)
  }

  /** Different writes have different bytes, so that one whose answer was lost can be told from another's. */
  #encode(value: object): Uint8Array {
    const { clock, random } = this.#options
    return encodeRecord({ nonce: random.id(clock.now()), value })
  }

  async #patiently<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { clock, random } = this.#options
    let pause = firstPauseMs
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      try {
        return await work()
      } catch (error) {
        const passing = StowageError.isInstance(error) && (error.retryable || error.code === 'conflict')
        if (!passing || attempt >= ATTEMPTS) throw error
        await clock.sleep(hasCode(error, 'conflict') ? random.next() * firstPauseMs : pause, signal)
        pause = Math.min(longestPauseMs, 2 * pause)
      }
    }
  }
}

function contentOf<T>(key: string, bytes: Uint8Array): T {
  return decodeRecord<{ value: T }>(key, bytes).value
}
