import { compareKeys, hasCode, toStowageError } from '@stowage/core'
import { Bytes } from '../flow/index.ts'
import {
  bytesOf,
  type ChunkRef,
  createPartition,
  encodeEntries,
  LedgerWriter,
  noPartBytes,
  noPartCounts,
  type PairKeys,
  type PairLease,
  type PartBytes,
  type PartInfo,
  type Partitions,
  type Records,
  storeNow,
  UploadLog,
  writeRecord,
} from '../state/index.ts'
import { findAbove, nothingAbove } from './above.ts'
import type { Blocked } from './blocked.ts'
import { noCounts, type PassCounts } from './counts.ts'
import { findBorders } from './find-borders.ts'
import { Frontier } from './frontier.ts'
import { ledgerAbove, readAhead, readChunk } from './ledger-state.ts'
import { runPass, type Walk, walkOver } from './pass.ts'
import { rulesFor } from './rules.ts'
import type { Shared } from './shared.ts'
import { PartStop } from './stop.ts'

/** Failures that a partition's record keeps, at most, and their bytes. */
const keptErrors = 50
const keptErrorBytes = 24 * 1024

/** What the walks over partitions share. */
export interface LaneContext {
  records: Records
  keys: PairKeys
  shared: Shared
  partitions: Partitions
  blocked: Blocked | undefined
  /** Walks at a time. */
  sharers: number
}

/** The walk over one partition, under its lease. */
export class Lane {
  readonly counts: PassCounts = noCounts()
  /** Whether all of the partition is walked over here. */
  readonly whole: boolean
  readonly id: string
  readonly lease: PairLease
  readonly #context: LaneContext
  readonly #stop: PartStop
  readonly #errors: number
  #walk: Walk
  #frontier: Frontier | undefined
  #splitting: Promise<boolean> | undefined
  #chunks = 0
  /** How far the walk was when it was last split, or could not be. */
  #splitAt = 0
  #told = { problems: 0, failed: 0 }
  readonly #bytes = new Bytes()
  /** What others had brought of it. */
  readonly #before: PartBytes

  constructor(context: LaneContext, id: string, lease: PairLease) {
    this.#context = context
    this.id = id
    this.lease = lease
    const { cursor } = lease.state
    this.#before = bytesOf(this.part)
    this.whole = cursor === this.part.lo
    this.#walk = this.#fresh()
    this.#stop = new PartStop(context.shared.stop)
    this.#errors = context.shared.outcome.errors.length
    lease.signal.addEventListener('abort', this.#onLost, { once: true })
  }

  readonly #onLost = (): void => this.#stop.now({ kind: 'failed', error: toStowageError(this.lease.signal.reason) })
  readonly #name = (): string => this.#context.keys.partChunk(this.id, this.lease.token, ++this.#chunks)

  get part(): PartInfo {
    const { part } = this.lease.state
    if (part === null) throw new Error('not a partition')
    return part
  }

  get frontier(): Frontier | undefined {
    return this.#frontier
  }

  /** Keys taken since it was last split. */
  get unsplit(): number {
    return this.#walk.taken - this.#splitAt
  }

  /** Whether the cursor moved. */
  get moved(): boolean {
    return this.#frontier !== undefined && this.#frontier.cursor !== this.#walk.after
  }

  /**
   * Walks to the end, or until it is stopped, and gives the partition back. A lease that is lost ends the walk in silence.
   * @returns whether the partition is complete
   * @throws StowageError of a listing that failed, `unsafe`
   */
  async perform(): Promise<boolean> {
    try {
      do {
        this.#walk = this.#fresh()
        await this.#pass()
        await this.#splitting
        // A split that failed leaves keys to walk over, where the walk had ended at its border.
      } while (!this.#stop.stopping && this.#walk.endedAt !== undefined && this.#walk.endedAt !== this.part.hi)
      const complete = !this.#stop.stopping
      await this.#release(complete)
      const { own } = this.#stop
      if (own?.kind === 'failed' && !hasCode(own.error, 'lease-lost')) this.#context.shared.stop.now(own)
      return complete
    } catch (error) {
      if (this.lease.signal.aborted || hasCode(error, 'lease-lost', 'aborted')) return false
      this.#context.shared.stop.now({ kind: 'failed', error: toStowageError(error) })
      await this.#frontier?.checkpoint(true).catch(() => undefined)
      await this.#release(false).catch(() => undefined)
      throw error
    } finally {
      this.#frontier = undefined
      const { stop, transfers } = this.#context.shared
      // Somebody else will bring it.
      if (!stop.stopping) transfers.progress.leave(this.#bytes)
      this.#stop.close()
      this.lease.signal.removeEventListener('abort', this.#onLost)
      await this.lease.abandon()
    }
  }

  /** Leaves part of what is still to come to others. Returns whether that was possible. */
  split(): Promise<boolean> {
    this.#splitting ??= this.#split().finally(() => {
      this.#splitting = undefined
    })
    return this.#splitting
  }

  /** Tells how far it is, where that changed since it was last told. Nothing depends on it. */
  async tell(): Promise<void> {
    const { lease } = this
    const [known, now] = [bytesOf(this.part), this.#bytesNow()]
    if (known.arrived === now.arrived && known.left === now.left && known.resumed === now.resumed) return
    await lease.commit((state) => ({ ...state, part: state.part && { ...state.part, bytes: this.#bytesNow() } }))
  }

  async #pass(): Promise<void> {
    const { records, keys, shared, blocked } = this.#context
    const { lease } = this
    const { signal } = lease
    const uploads = new UploadLog({ records, keys, signal, confirm: () => lease.commit((state) => state) })
    await uploads.open()
    const ahead = await readAhead(records, lease.state, signal)
    const writer = new LedgerWriter(records, lease.state.done, lease.state.cursor, this.#name, signal)
    await writer.reopen((ref) => readChunk(records, ref, signal))
    const frontier = new Frontier(records, lease, writer, ahead, this.#name, undefined, undefined, () => this.#beside())
    this.#frontier = frontier
    const { lo } = this.part
    // A chunk that begins at or before the border is the neighbour's too: nobody drops it before the task is closed.
    const onRead = (ref: ChunkRef): void => {
      if (lo === '' || compareKeys(ref.first, lo) > 0) writer.consumed(ref)
    }
    const ledger = ledgerAbove(records, lease.state, ahead, signal, onRead)
    const transfers = { ...shared.transfers, uploads, also: this.#bytes }
    const context = { ...shared, stop: this.#stop, transfers, frontier, ledger, blocked }
    const crowded = shared.options.to.adapter.capabilities.keys.objectAndFolder
    const { signal: stopped } = this.#stop
    const above = crowded
      ? nothingAbove
      : await findAbove(shared, this.#walk.after, ['from', 'to'], stopped, shared.takesPart)
    await runPass(context, rulesFor(context, this.counts, above), this.#walk, this.counts)
    lease.check()
    await frontier.checkpoint(true)
  }

  #fresh(): Walk {
    this.#splitAt = 0
    return walkOver(this.lease.state.cursor, this.part.hi ?? undefined, this.#context.sharers)
  }

  async #split(): Promise<boolean> {
    const { records, keys, shared } = this.#context
    const { signal } = this.lease
    const walk = this.#walk
    const before = walk.until
    if (this.#frontier === undefined || this.#stop.stopping) return false
    const { last } = walk
    const { rest } = this.lease.state
    const borders = await findBorders(records, shared.options, rest, last, before ?? null, 3, signal).catch(() => [])
    const border = borders[Math.floor(borders.length / 2)]
    const frontier = this.#frontier
    this.#splitAt = walk.taken
    if (border === undefined || frontier === undefined || walk !== this.#walk || walk.until !== before) return false
    if (compareKeys(border, walk.last) <= 0 || (before !== undefined && compareKeys(border, before) >= 0)) return false
    // From here on the walk goes no further, so that what it takes is in the partition in any case.
    walk.until = border
    try {
      const ahead = await this.#aheadAbove(frontier, border)
      const { hi, next } = this.part
      const share = (this.part.share ?? 0) / 2
      const part = freshPart({ lo: border, hi, next, share, now: await storeNow(records, signal) })
      const state = { cursor: border, rest: overlapping(this.lease.state.rest, border, hi), ahead, part }
      const id = await createPartition(records, keys, state, signal)
      await this.lease.commit((now) => ({ ...now, part: now.part && { ...now.part, hi: border, next: id, share } }))
      return true
    } catch {
      // What was written is not part of the chain. The walk goes on to the old end.
      if (this.part.hi !== border) walk.until = before
      return false
    }
  }

  async #aheadAbove(frontier: Frontier, border: string): Promise<ChunkRef | null> {
    return await writeAhead(this.#context.records, frontier.inheritedAbove(border), this.#name(), this.lease.signal)
  }

  #beside() {
    const { problems, unlisted } = this.counts
    const found = { problems: problems - this.#told.problems, failed: unlisted - this.#told.failed }
    this.#told = { problems, failed: unlisted }
    const errors = this.#context.shared.outcome.errors.slice(this.#errors, this.#errors + keptErrors)
    let bytes = 0
    const own = errors.filter(({ key, message }) => {
      bytes += 3 * (key.length + message.length) + 64
      return bytes <= keptErrorBytes
    })
    return { ...found, errors: own, bytes: this.#bytesNow() }
  }

  #bytesNow(): PartBytes {
    const { arrived, resumed } = this.#before
    return { arrived: arrived + this.#bytes.arrived, resumed: resumed + this.#bytes.resumed, left: this.#bytes.left }
  }

  async #release(complete: boolean): Promise<void> {
    const now = await storeNow(this.#context.records, this.lease.signal)
    await this.lease.release((state) => ({
      ...state,
      ...(complete ? { rest: [], ahead: null } : {}),
      part: state.part && { ...state.part, complete, touchedAt: now, bytes: this.#bytesNow() },
    }))
  }
}

/** What a partition begins with. */
export interface FreshPart extends Pick<PartInfo, 'lo' | 'hi' | 'next' | 'share' | 'bytes'> {
  /** The store's clock. */
  now: number
}

/** A partition that nobody has walked over yet. */
export function freshPart({ now, bytes = noPartBytes(), ...part }: FreshPart): PartInfo {
  return { ...part, complete: false, walkedAt: now, touchedAt: now, counts: noPartCounts(), bytes, errors: [] }
}

/** The references that say something about a range of keys. */
export function overlapping(refs: readonly ChunkRef[], lo: string, hi: string | null): ChunkRef[] {
  return refs.filter(
    (ref) => (lo === '' || compareKeys(ref.last, lo) > 0) && (hi === null || compareKeys(ref.first, hi) <= 0),
  )
}

/** Writes entries that are settled beyond a cursor. */
export async function writeAhead(
  records: Records,
  entries: Parameters<typeof encodeEntries>[0],
  record: string,
  signal: AbortSignal,
): Promise<ChunkRef | null> {
  const [first, last] = [entries[0], entries.at(-1)]
  if (first === undefined || last === undefined) return null
  await writeRecord(records, record, encodeEntries(entries), null, signal)
  return { first: first.key, last: last.key, count: entries.length, record, level: 0 }
}
