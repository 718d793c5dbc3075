import { hasCode, type Location, type ObjectInfo, StowageError } from '@stowage/core'
import { RunStop } from '../flow/index.ts'
import { decide, isOwnKey, type PlannedObject, type Row } from '../plan/index.ts'
import type { LedgerEntry } from '../state/index.ts'
import { conflictOf, type Job, patient, type Transferred, transfer } from '../transfer/index.ts'
import { findSame } from './find-same.ts'
import type { Shared } from './shared.ts'

/** Finds out about keys one by one, brings over what is to be brought, and gathers what the ledger is to learn. */
export class NamedKeys {
  /** What becomes of the ledger's entries. */
  readonly edits: Map<string, LedgerEntry | undefined> = new Map()
  /** Keys of objects that only the target has, and that are to be deleted. */
  readonly extra: string[] = []
  /** Objects that the target did not have before. */
  brought = 0
  readonly #shared: Shared
  readonly #known: ReadonlyMap<string, LedgerEntry>

  /** @param known what the ledger has of these keys */
  constructor(shared: Shared, known: ReadonlyMap<string, LedgerEntry>) {
    this.#shared = shared
    this.#known = known
  }

  /** Sees to one key. Failures of the object are noted; what ends the run stops it. */
  async settle(key: string): Promise<void> {
    const { stop, outcome, transfers } = this.#shared
    try {
      await this.#settle(key)
    } catch (thrown) {
      if (thrown instanceof RunStop) return stop.now({ kind: 'failed', error: thrown.error })
      if (hasCode(thrown, 'lease-lost')) return stop.now({ kind: 'failed', error: thrown })
      if (stop.signal.aborted) return
      if (hasCode(thrown, 'conflict')) transfers.progress.objects.conflicts++
      else transfers.progress.objects.failed++
      this.#forget(key)
      try {
        outcome.failed(key, thrown)
      } catch (end) {
        if (!(end instanceof RunStop)) throw end
        stop.now({ kind: 'failed', error: end.error })
      }
    }
  }

  async #settle(key: string): Promise<void> {
    const { options, takesPart, transfers, mayBeLate } = this.#shared
    if (isOwnKey(key)) return
    const [source, target] = await Promise.all([this.#head(options.from, key), this.#head(options.to, key)])
    if (source !== undefined && !takesPart(source)) return this.#forget(key)
    if (source === undefined) {
      if (target === undefined) return this.#forget(key)
      if (options.delete && takesPart(target)) this.extra.push(key)
      return
    }
    const entry = this.#known.get(key)
    const row: Row = {
      key,
      source,
      ...(target === undefined ? {} : { target }),
      ...(entry === undefined ? {} : { entry }),
    }
    const reason = options.checkKey?.(key)
    const decision =
      reason === undefined ? decide(row, { ...options, mayBeLate }) : { action: 'refuse' as const, reason }
    const job: Job = { key, source, target }
    switch (decision.action) {
      case 'skip':
        transfers.progress.objects.skipped++
        return
      case 'same':
        return this.#same(key, { source: print(source), target: print(target ?? source) })
      case 'head':
      case 'echo':
      case 'late':
      case 'compare': {
        const same = await findSame(this.#shared, job, decision)
        return same === undefined ? await this.#copy(job) : this.#same(key, same)
      }
      case 'copy':
        return await this.#copy(job)
      case 'refuse':
        throw new StowageError('invalid-key', `It cannot be kept: the key ${decision.reason}.`)
      default:
        return this.#forget(key)
    }
  }

  async #copy(job: Job): Promise<void> {
    const { options, transfers, outcome, stop } = this.#shared
    const { progress } = transfers
    if (options.createOnly && job.target !== undefined) throw conflictOf(job.key)
    const result = await transfer(transfers, job, stop.signal)
    if (result.outcome === 'vanished') return this.#forget(job.key)
    outcome.copied()
    if (result.outcome === 'same') progress.objects.skipped++
    else progress.objects.copied++
    if (job.target === undefined) this.brought++
    this.#learn(job.key, result)
    progress.touch()
  }

  #same(key: string, known: Transferred): void {
    this.#shared.transfers.progress.objects.skipped++
    this.#learn(key, known)
  }

  #learn(key: string, { source, target, digest }: Transferred): void {
    this.edits.set(key, { key, source, target, ...(digest === undefined ? {} : { digest }) })
  }

  #forget(key: string): void {
    if (this.#known.has(key)) this.edits.set(key, undefined)
  }

  /** The object, or `undefined` when there is none: also where the store could have none of this name. */
  async #head({ adapter, prefix }: Location, key: string): Promise<PlannedObject | undefined> {
    const { transfers, stop } = this.#shared
    return await patient(transfers, stop.signal, () =>
      transfers.units.run(0, stop.signal, async (signal) => {
        try {
          return planned(key, await adapter.head(prefix + key, { signal }))
        } catch (error) {
          if (hasCode(error, 'not-found', 'invalid-key')) return undefined
          throw error
        }
      }),
    )
  }
}

function planned(key: string, { size, etag, lastModified }: ObjectInfo): PlannedObject {
  return { key, size, etag, ...(lastModified === undefined ? {} : { lastModified }) }
}

function print({ etag, size }: PlannedObject): { etag: string; size: number } {
  return { etag, size }
}
