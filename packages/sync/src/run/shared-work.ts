import { type PairKeys, type PairLease, type Partition, Partitions, storeNow, sweepPartitions } from '../state/index.ts'
import type { Blocked } from './blocked.ts'
import { noCounts, type PassCounts } from './counts.ts'
import type { Frontier } from './frontier.ts'
import { Lanes } from './lanes.ts'
import { sweepLedger } from './ledger-state.ts'
import { gather, sumOf } from './partition.ts'
import { type Engine, partitionLimits, type Shared } from './shared.ts'

/** How long to wait before looking again whether others gave their partitions back, in milliseconds, and how often for courtesy alone. */
const waitMs = 1000
const courtesy = 5

/** What {@link SharedWork} needs. */
export interface SharedWorkOptions {
  engine: Engine
  keys: PairKeys
  lease: PairLease
  shared: Shared
  blocked: Blocked | undefined
  name: () => string
}

/** The partitions of a task, as the run that holds the pair's lease sees them. Without partitions nothing is done here. */
export class SharedWork {
  readonly #options: SharedWorkOptions
  #lanes: Lanes | undefined
  #counts: PassCounts = noCounts()
  /** Whether the first partition is what this run had walked over before there were any. */
  #firstWalked = false
  #all: readonly Partition[] = []
  /** Whether a partition was walked over, as far as can be told, before this run began. */
  old = false

  constructor(options: SharedWorkOptions) {
    this.#options = options
  }

  get frontiers(): Iterable<Frontier> {
    return this.#lanes?.frontiers ?? []
  }

  /** Whether anything was got done; `undefined` when there are no partitions. */
  get moved(): boolean | undefined {
    return this.#lanes?.moved
  }

  /** Until then requests of owners of partitions that were taken over might still arrive; by the store's clock. */
  get quietUntil(): number {
    return Math.max(0, ...this.#all.map(({ state }) => state.quietUntil))
  }

  /** The borders of the partitions. */
  get borders(): string[] {
    return this.#all.flatMap(({ part }) => (part.lo === '' ? [] : [part.lo]))
  }

  /** Tells what was counted in what became the first partition. */
  walked(counts: PassCounts): void {
    this.#counts = counts
    this.#firstWalked = true
  }

  async grantWish(signal: AbortSignal): Promise<void> {
    await this.#lanes?.grantWish(signal)
  }

  /**
   * Works on the partitions, beside all who help, until none is left. Returns the counts of all of them; `undefined` when the run was
   * stopped before.
   */
  async perform(): Promise<PassCounts | undefined> {
    const { engine, keys, lease, shared, blocked } = this.#options
    const partitions = this.#partitions()
    if (partitions === undefined) return undefined
    const began = await storeNow(engine.records, lease.signal)
    const lanes = new Lanes({
      records: engine.records,
      keys,
      shared,
      partitions,
      blocked,
      sharers: shared.options.lanes,
      splitKeys: (engine.partitioning ?? partitionLimits).splitKeys,
      counts: this.#counts,
      onPartitions: shared.options.onPartitions,
    })
    this.#lanes = lanes
    await lanes.work(lease.signal)
    if (shared.stop.stopping) return undefined
    this.#all = await partitions.all(lease.signal)
    shared.transfers.progress.listingDone = true
    const walkedHere = (id: string): boolean => lanes.walkedWhole(id) || (this.#firstWalked && id === partitions.first)
    // Where this run made the partitions, whoever walked over them did so since.
    this.old = !this.#firstWalked && this.#all.some(({ id, part }) => !walkedHere(id) && part.walkedAt < began)
    return this.#sum(this.#all.every(({ id }) => walkedHere(id)))
  }

  /** Makes one ledger of those of the partitions, and forgets them. */
  async close(): Promise<void> {
    const { engine, keys, lease, name } = this.#options
    const { records } = engine
    const partitions = this.#partitions()
    if (partitions === undefined) return
    const { signal } = lease
    const taken = new Map<string, PairLease>()
    try {
      for (;;) {
        this.#all = await partitions.all(signal)
        const open = this.#all.filter(({ id, part }) => !part.complete && !taken.has(id))
        if (open.length === 0) break
        if (lease.state.partitioning?.closing === false) await this.#announceEnd()
        for (const { id } of open) {
          const claimed = await partitions.claim(id, signal)
          if (claimed !== undefined) taken.set(id, claimed)
        }
        if (open.some(({ id }) => !taken.has(id))) await records.clock.sleep(waitMs, signal)
      }
      const states = this.#all.map(({ id, state }) => ({ state: taken.get(id)?.state ?? state }))
      const refs = await gather(records, states, name, signal)
      const brought = states.reduce((sum, { state }) => sum + state.brought, 0)
      const missed = states.some(({ state }) => state.missed)
      const { quietUntil } = this
      await lease.commit((state) => ({
        ...state,
        partitioning: null,
        cursor: '',
        done: [],
        rest: refs,
        ahead: null,
        // What came before deletes that were agreed to is not told from the target's own any more.
        brought: state.brought + (state.phase === 'deleting' ? 0 : brought),
        missed: state.missed || missed,
        quietUntil: Math.max(state.quietUntil, quietUntil),
      }))
    } finally {
      for (const claimed of taken.values()) await claimed.abandon()
    }
    await sweepPartitions(records, keys, signal)
    await sweepLedger(records, keys, lease.state, signal)
  }

  /**
   * Whether nobody else works on the task, so that unfinished uploads are nobody's.
   * @param ask ask the others to end, and wait for them for a while
   */
  async alone(ask: boolean): Promise<boolean> {
    const { engine, lease, shared } = this.#options
    const partitions = this.#partitions()
    if (partitions === undefined) return true
    if (ask) await this.#announceEnd()
    for (let looks = ask ? courtesy : 1; looks > 0; looks--) {
      const all = await partitions.all(lease.signal)
      if (all.every(({ held }) => !held)) return true
      if (looks > 1) await engine.records.clock.sleep(waitMs, lease.signal)
    }
    if (ask) shared.outcome.warn('Other workers still have unfinished uploads; the next run sees to them.')
    return false
  }

  #partitions(): Partitions | undefined {
    const { engine, keys, lease } = this.#options
    const { partitioning } = lease.state
    return partitioning === null ? undefined : new Partitions(engine.records, keys, engine.owner, partitioning.first)
  }

  async #announceEnd(): Promise<void> {
    await this.#options.lease.commit((state) => ({
      ...state,
      partitioning: state.partitioning && { ...state.partitioning, closing: true },
    }))
  }

  #sum(whole: boolean): PassCounts {
    const { blocked, shared } = this.#options
    const { objects } = shared.transfers.progress
    const sum = sumOf(this.#all)
    const { copied, skipped, failed, conflicts, source, target, extra, foreign, problems } = sum
    Object.assign(objects, { copied, skipped, failed, conflicts })
    blocked?.more(sum.blocked - blocked.count)
    for (const { part } of this.#all) shared.outcome.add(part.errors)
    const { extraKeys, extraBytes } = this.#counts
    return {
      ...noCounts(),
      source,
      target,
      extra,
      foreign,
      problems,
      extraKeys: whole ? extraKeys : undefined,
      extraBytes,
    }
  }
}
