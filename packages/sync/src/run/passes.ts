import { deleteRecord, LedgerWriter, type PairLease, type Records } from '../state/index.ts'
import type { Blocked } from './blocked.ts'
import type { PassCounts } from './counts.ts'
import { Divider } from './divider.ts'
import { Frontier } from './frontier.ts'
import { joined, ledgerAbove, readAhead, readChunk } from './ledger-state.ts'
import { runPass, walkOver } from './pass.ts'
import { rulesFor } from './rules.ts'
import { type AgreedDeletes, type Engine, partitionLimits, type Shared } from './shared.ts'

/** What {@link Passes} needs. */
export interface PassesOptions {
  engine: Engine
  lease: PairLease
  shared: Shared
  /** Names the next chunk of the ledger. */
  name: () => string
}

/** One walk of a run. */
export interface PassOptions {
  after: string
  until?: string | undefined
  counts: PassCounts
  /** Takes what waits for the deletes, as long as they are to come. */
  blocked: Blocked | undefined
  deletes?: AgreedDeletes | undefined
  /** Whether it may end early, when it turns out to be long, for what is left to be divided. */
  divide?: boolean
}

/** The walks of a run over both sides, under the lease of the pair, and the ledger that they write. */
export class Passes {
  readonly #options: PassesOptions
  readonly #records: Records
  #frontier: Frontier | undefined

  constructor(options: PassesOptions) {
    this.#options = options
    this.#records = options.engine.records
  }

  /** Where results of the walk under way become permanent. */
  get frontier(): Frontier | undefined {
    return this.#frontier
  }

  /** @returns borders at which to divide what is left, when the walk ended early for that */
  async walk({ after, until, counts, blocked, deletes, divide }: PassOptions): Promise<readonly string[]> {
    const { engine, lease, name, shared } = this.#options
    const { onSettled } = shared.options
    const { signal } = lease
    const ahead = await readAhead(this.#records, lease.state, signal)
    const writer = new LedgerWriter(this.#records, lease.state.done, after, name, signal)
    await writer.reopen((ref) => readChunk(this.#records, ref, signal))
    const frontier = new Frontier(this.#records, lease, writer, ahead, name, onSettled, shared.both?.intents)
    this.#frontier = frontier
    const ledger = ledgerAbove(this.#records, lease.state, ahead, signal, (ref) => writer.consumed(ref))
    const context = { ...shared, frontier, ledger, blocked, ...(deletes && { deletes }) }
    const walk = walkOver(after, until)
    const limits = engine.partitioning ?? partitionLimits
    const divider = divide ? new Divider(this.#records, shared.options, lease, walk, limits) : undefined
    try {
      await runPass(context, rulesFor(context, counts), walk, counts, divider?.look)
    } finally {
      await divider?.close()
    }
    lease.check()
    await frontier.checkpoint(true)
    this.#frontier = undefined
    return divider?.borders ?? []
  }

  /** Makes one sorted ledger of what this walk and the one before know, so that a walk can begin at the beginning. */
  async join(): Promise<void> {
    const { lease, name } = this.#options
    const { state, dropped } = await joined(this.#records, lease.state, name, lease.signal)
    const { cursor, done, rest } = state
    await lease.commit((now) => ({ ...now, cursor, done, rest }))
    for (const record of dropped) await deleteRecord(this.#records, record, lease.signal)
  }
}
