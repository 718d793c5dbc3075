import { type Clock, type DatasetStore, type ReplicaName, StowageError } from '@stowage/core'

/** How often the reads of a replica are noted, and notes are written, in milliseconds. */
const NOTE_MS = 60_000
const FLUSH_MS = 30_000

/** Holds end at full quarters of an hour, so that one write serves the URLs of many requests. */
const STEP_MS = 900_000

/** How long a request that was begun by a URL may outlive it, and clocks differ, in milliseconds. */
const OUTLIVES_MS = 3_600_000

/** Replicas that are remembered, so that nothing is written twice. */
const REMEMBERED = 10_000

interface Known {
  notedAt: number
  /** When a stream last asked for a hold, whatever the answer was. */
  askedAt: number
  /** Until when it is held for certain. */
  heldUntil: number
}

export interface ReplicaReadsOptions {
  catalog: Pick<DatasetStore, 'noteReads' | 'holdReplica'>
  clock: Clock
  /** Milliseconds that bytes of a source stay when they are evicted; `undefined` for a source that is no cache. */
  graceOf: (sourceId: string) => number | undefined
}

/** Notes which replicas are read, in batches, and keeps the bytes of those that somebody reads where they are. */
export class ReplicaReads {
  readonly #options: ReplicaReadsOptions
  readonly #known = new Map<string, Known>()
  #pending = new Map<string, ReplicaName & { at: number }>()
  #flushedAt = Number.NEGATIVE_INFINITY
  readonly #work = new Set<Promise<unknown>>()

  constructor(options: ReplicaReadsOptions) {
    this.#options = options
  }

  /**
   * A replica is being read by a stream of this process: its bytes stay where they are for twice the grace of the cache, from the last block on.
   * Nobody waits for what follows from it.
   */
  note({ datasetId, version, sourceId }: ReplicaName): void {
    const { clock, graceOf } = this.#options
    const grace = graceOf(sourceId)
    if (grace === undefined) return
    const now = clock.now()
    const replica = { datasetId, version, sourceId }
    const known = this.#remember(replica)
    if (known.notedAt <= now - NOTE_MS) {
      known.notedAt = now
      this.#pending.set(nameOf(replica), { ...replica, at: now })
    }
    if (grace > 0 && known.askedAt <= now - (2 * grace) / 3) {
      known.askedAt = now
      // One that is leaving cannot be held: should its bytes go, the stream goes on from another replica.
      this.#background(this.#options.catalog.holdReplica(replica, now + 2 * grace))
    }
    if (this.#pending.size > 0 && now - this.#flushedAt >= FLUSH_MS) this.#background(this.#write())
  }

  /**
   * Keeps the bytes of a replica where they are for somebody who reads without us, by a URL say, until then and for as long as a request may
   * take that is begun then.
   * @param until milliseconds since the epoch
   * @returns whether it can be handed out: it is ready, and not on its way out
   * @throws StowageError of the catalog
   */
  async hold({ datasetId, version, sourceId }: ReplicaName, until: number): Promise<boolean> {
    if (!Number.isFinite(until)) throw new StowageError('invalid-request', 'A hold needs an end.', { field: 'until' })
    const replica = { datasetId, version, sourceId }
    const known = this.#remember(replica)
    const end = until + OUTLIVES_MS
    if (known.heldUntil >= end) return true
    const rounded = Math.ceil(end / STEP_MS) * STEP_MS
    if (!(await this.#options.catalog.holdReplica(replica, rounded))) return false
    known.heldUntil = Math.max(known.heldUntil, rounded)
    return true
  }

  /** Writes what was not written yet, and waits for it. What cannot be written is lost: it only says when something was read last. */
  async flush(): Promise<void> {
    if (this.#pending.size > 0) this.#background(this.#write())
    await Promise.allSettled(this.#work)
  }

  async #write(): Promise<void> {
    const reads = [...this.#pending.values()]
    this.#pending = new Map()
    this.#flushedAt = this.#options.clock.now()
    await this.#options.catalog.noteReads(reads)
  }

  #background(work: Promise<unknown>): void {
    const done = work.catch(() => undefined).finally(() => this.#work.delete(done))
    this.#work.add(done)
  }

  #remember(replica: ReplicaName): Known {
    const name = nameOf(replica)
    const known = this.#known.get(name) ?? { notedAt: -Infinity, askedAt: -Infinity, heldUntil: 0 }
    this.#known.delete(name)
    this.#known.set(name, known)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break
      this.#known.delete(oldest)
    }
    return known
  }
}

function nameOf({ datasetId, version, sourceId }: ReplicaName): string {
  return `${datasetId}\0${version}\0${sourceId}`
}
