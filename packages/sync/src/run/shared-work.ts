import {
  LEASE_MS,
  type PairKeys,
  type PairLease,
  type PartInfo,
  type Partition,
  Partitions,
  storeNow,
  sweepPartitions,
} from '../state/index.ts'
import type { Blocked } from './blocked.ts'
import { noCounts, type PassCounts } from './counts.ts'
import type { Frontier } from './frontier.ts'
import { type FreshPart, freshPart } from './lane.ts'
import { Lanes } from './lanes.ts'
import { sweepLedger } from './ledger-state.ts'
import { gather, sumOf } from './partition.ts'
import { type Engine, partitionLimits, type Shared } from './shared.ts'
import { type Survey, surveyOf } from './survey.ts'

/** How long to wait before looking again whether others gave their partitions back, in milliseconds, and how often for courtesy alone. */
const waitMs = 1000
const courtesy = 5

/** Nobody worked on a task for longer than this, in milliseconds: then what was counted before is looked at once more. */
const pauseMs = 10 * 60_000

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
  /**
   * Whether a partition was walked over, as far as can be told, before this run began, or was taken over from somebody who had brought objects:
   * what lay beyond the cursor then is counted as if it had been there before.
   */
  old = false
  #reopened = 0

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

  /** Objects that were brought by walks over the partitions, since they were made or opened again. */
  get brought(): number {
    return this.#all.reduce((sum, { state }) => sum + state.brought, 0)
  }

  /** Objects that were brought in partitions which this run opened again. */
  get reopened(): number {
    return this.#reopened
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

  /** Grants wishes of others, and lets them know how far the walks here are. To be called now and then. */
  async attend(signal: AbortSignal): Promise<void> {
    await this.#lanes?.grantWish(signal)
    await this.#lanes?.tell()
  }

  /** What all who work on the partitions have done; `undefined` without partitions. */
  async survey(signal: AbortSignal): Promise<Survey | undefined> {
    const partitions = this.#partitions()
    return partitions === undefined ? undefined : surveyOf(await partitions.all(signal))
  }

  /** What the task brought into the target, in bytes, beside what the partitions tell. @param known what its record says it brought in all */
  async beside(taskId: string, known: number): Promise<{ taskId: string; bytes: number } | undefined> {
    const { lease } = this.#options
    const { beside } = lease.state.partitioning ?? {}
    if (beside?.taskId === taskId) return beside
    const survey = await this.survey(lease.signal)
    return survey && { taskId, bytes: known - survey.bytes.arrived }
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
    const stale = await this.#stale(partitions)
    const { againAt } = lease.state.partitioning ?? { againAt: null }
    // A task that was walked over once, and was then left for some time before its end, is looked at anew, by the first run that comes.
    if (stale.length > 0 && (await partitions.all(lease.signal)).every(({ part }) => part.complete))
      await this.#openAgain(partitions, stale)
    await lanes.work(lease.signal)
    if (shared.stop.stopping) return undefined
    // Once is enough, unless it was cut off.
    const due = againAt === null || (lease.state.partitioning?.staleBefore ?? 0) <= againAt
    if (stale.length > 0 && againAt === lease.state.partitioning?.againAt && due) {
      await this.#openAgain(partitions, stale)
      await lanes.work(lease.signal)
      // All was seen once: a time limit that cuts the second look is no reason to begin anew for ever.
      const enough = shared.stop.reason?.kind === 'time' && !shared.options.delete
      this.#all = await partitions.all(lease.signal)
      const missed = this.#all.some(({ state }) => state.missed)
      if (shared.stop.stopping && (!enough || missed)) return undefined
    }
    this.#all = await partitions.all(lease.signal)
    shared.transfers.progress.listingDone = true
    const walkedHere = (id: string): boolean => lanes.walkedWhole(id) || (this.#firstWalked && id === partitions.first)
    // Where this run made the partitions, whoever walked over them did so since.
    const early = !this.#firstWalked && this.#all.some(({ id, part }) => !walkedHere(id) && part.walkedAt < began)
    this.old = early || this.#all.some(({ state }) => state.token > 1 && state.brought > 0)
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

  /**
   * Partitions whose counts are from before a time in which nobody worked on the task. That there was one is written down: whoever goes on, should
   * this run end early, finds nothing of it in the times that it leaves.
   */
  async #stale(partitions: Partitions): Promise<string[]> {
    const { engine, lease } = this.#options
    const { inherited, signal } = lease
    if (inherited.partitioning === null) return []
    const all = await partitions.all(signal)
    const since = Math.max(
      inherited.partitioning.touchedAt,
      // The leases of the partitions tell of the leader too, and are not taken yet.
      ...all.map(({ part, state }) => Math.max(part.touchedAt, (state.lease?.expiresAt ?? 0) - LEASE_MS)),
    )
    const now = await storeNow(engine.records, signal)
    const left = now - since >= pauseMs
    if (left)
      await lease.commit((state) => ({
        ...state,
        partitioning: state.partitioning && { ...state.partitioning, staleBefore: now },
      }))
    const before = left ? now : (inherited.partitioning.staleBefore ?? 0)
    return all
      .filter(({ part, state }) => part.walkedAt < before && (state.cursor !== part.lo || part.complete))
      .map(({ id }) => id)
  }

  /** Opens partitions again, to be walked over from their beginnings with what is known now. */
  async #openAgain(partitions: Partitions, ids: readonly string[]): Promise<void> {
    const { engine, lease } = this.#options
    const { signal } = lease
    const now = await storeNow(engine.records, signal)
    const again = (await partitions.all(signal)).filter(({ id }) => ids.includes(id))
    // What they brought is there when they are counted anew.
    this.#reopened += again.reduce((sum, { state }) => sum + state.brought, 0)
    await lease.commit((state) => ({
      ...state,
      brought: state.brought + this.#reopened,
      partitioning: state.partitioning && { ...state.partitioning, againAt: now },
    }))
    this.#options.blocked?.forget()
    for (const id of ids) {
      const claimed = await partitions.reclaim(id, signal)
      await claimed.release(({ part, ...state }) => ({
        ...state,
        cursor: part?.lo ?? '',
        done: [],
        rest: state.done,
        missed: false,
        brought: 0,
        part: part && freshPart({ ...kept(part), now }),
      }))
    }
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
    // An earlier run, or one that helped, was to delete what this one leaves: what waited for that has no place.
    const left = blocked === undefined ? sum.blocked : 0
    if (left > 0)
      shared.outcome.warn(
        `${left} objects have no place in the target before others are deleted, which was not asked for.`,
      )
    Object.assign(objects, { copied, skipped, failed, conflicts: conflicts + left })
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

/** What of a partition stays when it is opened again. */
function kept({ lo, hi, next, share, bytes }: PartInfo): Omit<FreshPart, 'now'> {
  return { lo, hi, next, ...(share === undefined ? {} : { share }), ...(bytes === undefined ? {} : { bytes }) }
}
