import { compareKeys } from '@stowage/core'
import type { PairLease, Records } from '../state/index.ts'
import { findBorders } from './find-borders.ts'
import type { ResolvedOptions } from './options.ts'
import type { Walk } from './pass.ts'
import type { PartitionLimits } from './shared.ts'

/** Watches a walk, and when it turns out to be long, finds out where to divide what is to come, and ends it. */
export class Divider {
  borders: readonly string[] = []
  readonly #records: Records
  readonly #options: ResolvedOptions
  readonly #lease: PairLease
  readonly #walk: Walk
  readonly #closed = new AbortController()
  readonly #notBefore: number
  #nextLook: number
  #looking: Promise<void> | undefined

  constructor(records: Records, options: ResolvedOptions, lease: PairLease, walk: Walk, limits: PartitionLimits) {
    this.#records = records
    this.#options = options
    this.#lease = lease
    this.#walk = walk
    this.#nextLook = limits.afterKeys
    this.#notBefore = records.clock.now() + (limits.afterMs ?? 0)
  }

  /** To be called now and then. The walk goes on meanwhile. */
  readonly look = (): void => {
    if (this.#walk.taken < this.#nextLook || this.#looking !== undefined || this.borders.length > 0) return
    if (this.#records.clock.now() < this.#notBefore) return
    this.#nextLook = this.#walk.taken * 2
    this.#looking = this.#find().finally(() => {
      this.#looking = undefined
    })
  }

  /** Looks no more: the walk has ended. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#looking
  }

  async #find(): Promise<void> {
    const { last } = this.#walk
    const want = Math.max(7, 4 * this.#options.lanes - 1)
    const signal = AbortSignal.any([this.#closed.signal, this.#lease.signal])
    // Not being able to divide it is no failure: then it is one walk.
    const found = await findBorders(
      this.#records,
      this.#options,
      this.#lease.state.rest,
      last,
      null,
      want,
      signal,
    ).catch(() => [])
    if (this.#closed.signal.aborted) return
    const borders = found.filter((border) => compareKeys(border, this.#walk.last) > 0)
    if (borders.length === 0) return
    this.borders = borders
    this.#walk.until = this.#walk.last
  }
}
