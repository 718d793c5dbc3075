import { type Clock, type Events, type Redactor, toStowageError } from '@stowage/core'
import type { DecisionRecord, RuleSet } from '@stowage/router'
import type { DecisionBatches } from './batches.ts'
import type { RuleSets } from './rule-sets.ts'

/** How decisions are kept. */
export interface DecisionLogOptions {
  /** Decisions kept in memory, the newest. @defaultValue 1000 */
  memory?: number
  /** Whether decisions are written to the catalog, in batches. @defaultValue true */
  catalog?: boolean
  /** Days for which they stay there. @defaultValue 7 */
  days?: number
  /** Batches that stay there at most; the oldest go. @defaultValue 2000 */
  batches?: number
  /** Part of the decisions that are kept with all vectors and reasons, 0 to 1. @defaultValue 0 */
  traces?: number
}

/** The defaults of {@link DecisionLogOptions}. */
export const logDefaults: Readonly<Required<DecisionLogOptions>> = {
  memory: 1000,
  catalog: true,
  days: 7,
  batches: 2000,
  traces: 0,
}

/** A batch is written when it has so many decisions, or when so many milliseconds have passed since its first one and another is made. */
const batchSize = 500
const batchMs = 10_000
/** Old batches are looked for at most so often. */
const pruneMs = 3_600_000
const dayMs = 86_400_000

/** What was decided since this process began. */
export interface DecisionCounters {
  decisions: number
  /** By the source that came first; those with none are under `none`. */
  first: Record<string, number>
  /** Reads that had to try unhealthy sources. */
  panics: number
  /** Decisions that could not be written to the catalog. */
  lost: number
}

interface Parts {
  clock: Clock
  events: Events
  batches: DecisionBatches
  sets: RuleSets
  redactor: () => Redactor
  settings: Required<DecisionLogOptions>
}

/** Remembers decisions: the newest in memory, all of them for some days in the catalog, and their numbers always. Nobody waits for it. */
export class DecisionLog {
  readonly counters: DecisionCounters = { decisions: 0, first: {}, panics: 0, lost: 0 }
  readonly #parts: Parts
  readonly #ring: DecisionRecord[] = []
  #oldest = 0
  #pending: DecisionRecord[] = []
  readonly #setsOfPending = new Set<RuleSet>()
  #writing: Promise<void> = Promise.resolve()
  #pruned = Number.NEGATIVE_INFINITY

  constructor(parts: Parts) {
    this.#parts = parts
  }

  add(record: DecisionRecord, set: RuleSet): void {
    const { settings, clock } = this.#parts
    const [first = 'none'] = record.candidates
    this.counters.decisions++
    this.counters.first[first] = (this.counters.first[first] ?? 0) + 1
    if (record.panic) this.counters.panics++
    if (this.#ring.length < settings.memory) this.#ring.push(record)
    else if (settings.memory > 0) {
      this.#ring[this.#oldest] = record
      this.#oldest = (this.#oldest + 1) % settings.memory
    }
    if (!settings.catalog) return
    this.#pending.push(record)
    this.#setsOfPending.add(set)
    const since = clock.now() - (this.#pending[0]?.at ?? 0)
    if (this.#pending.length >= batchSize || since >= batchMs) void this.flush()
  }

  /** Those in memory, the newest first. */
  recent(): DecisionRecord[] {
    return [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)].reverse()
  }

  /** Writes what was not written yet. Does not throw: what cannot be written is counted as lost, and told once. */
  flush(): Promise<void> {
    const records = this.#pending
    const sets = [...this.#setsOfPending]
    this.#pending = []
    this.#setsOfPending.clear()
    if (records.length > 0) this.#writing = this.#writing.then(() => this.#write(records, sets))
    return this.#writing
  }

  async #write(records: readonly DecisionRecord[], sets: readonly RuleSet[]): Promise<void> {
    const { batches, events, clock, redactor, settings } = this.#parts
    try {
      // The sets first, so that no record is there that cannot be made once more.
      for (const set of sets) await this.#parts.sets.keep(set)
      await batches.put(redactor().value(records) as DecisionRecord[])
      if (clock.now() - this.#pruned < pruneMs) return
      this.#pruned = clock.now()
      await batches.prune(clock.now() - settings.days * dayMs, settings.batches)
    } catch (cause) {
      if (this.counters.lost === 0) {
        const { code, message } = toStowageError(cause)
        events.emit('alert', {
          severity: 'warning',
          code,
          message: `Routing decisions could not be recorded: ${message}`,
        })
      }
      this.counters.lost += records.length
    }
  }
}
