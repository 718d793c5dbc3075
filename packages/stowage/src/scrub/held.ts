import { StowageError } from '@stowage/core'
import type { ScrubRecords } from './records.ts'

/** Who works on a record, and until when nobody else may. */
interface Lease {
  owner: string
  until: number
}

type Stored<T> = T & { lease: Lease | null }

/**
 * A record that one process at a time works on. Every {@link save} renews the lease, in one compare-and-swap with what it writes; a process
 * that was away for longer than the lease lasts finds out at its next one.
 */
export class Held<T extends object> {
  readonly #records: ScrubRecords
  readonly #key: string
  readonly #owner: string
  readonly #ms: number
  #value: T
  #revision: string

  private constructor(records: ScrubRecords, key: string, owner: string, ms: number, value: T, revision: string) {
    this.#records = records
    this.#key = key
    this.#owner = owner
    this.#ms = ms
    this.#value = value
    this.#revision = revision
  }

  /**
   * Takes a record, or makes it.
   * @param ms how long it is held without being saved, in milliseconds
   * @returns `undefined` when somebody else has it
   */
  static async take<T extends object>(
    records: ScrubRecords,
    key: string,
    { owner, ms, empty }: { owner: string; ms: number; empty: T },
  ): Promise<Held<T> | undefined> {
    const found = await records.read<Stored<T>>(key)
    const now = await records.now()
    if (found?.value.lease && found.value.lease.until > now) return undefined
    const value = found === undefined ? empty : found.value
    const next = { ...value, lease: { owner, until: now + ms } }
    const revision = await records.write(key, next, found?.revision ?? null)
    return revision === undefined ? undefined : new Held<T>(records, key, owner, ms, value, revision)
  }

  get value(): T {
    return this.#value
  }

  /** @throws StowageError `lease-lost` when somebody else took it over */
  async save(value: T): Promise<void> {
    await this.#write(value, { owner: this.#owner, until: (await this.#records.now()) + this.#ms })
  }

  /** Lets go of the record, which stays. */
  async release(value: T = this.#value): Promise<void> {
    await this.#write(value, null)
  }

  /** Lets go of the record, which is not needed any more. Without effect when somebody else took it over. */
  async remove(): Promise<void> {
    await this.#records.forget(this.#key, this.#revision)
  }

  async #write(value: T, lease: Lease | null): Promise<void> {
    const revision = await this.#records.write(this.#key, { ...value, lease }, this.#revision)
    if (revision === undefined) {
      throw new StowageError('lease-lost', 'Another process took this part of the scrub over.', { retryable: false })
    }
    this.#revision = revision
    this.#value = value
  }
}
