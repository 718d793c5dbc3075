import { compareKeys, type ObjectFailure } from '@stowage/core'
import type { Side } from '../plan/index.ts'
import {
  above,
  type ChunkRef,
  deleteRecord,
  type EntryOrigin,
  encodeEntries,
  entryCost,
  type IntentLog,
  type LedgerEntry,
  type LedgerWriter,
  mergeEntries,
  type PairLease,
  type PartBytes,
  type Records,
  type UploadLog,
  writeRecord,
} from '../state/index.ts'
import type { ResolvedOptions, SettledObject } from './options.ts'
import { type Pending, Tally } from './tally.ts'

/** What the walk over a partition found beside its keys. */
export interface Beside {
  errors: ObjectFailure[]
  bytes: PartBytes
  /** Entries of listings that could not be objects, since this was last asked. */
  problems: number
  /** Of these, failures. */
  failed: number
}

/** Bytes of entries beyond the cursor that are written along, at most; more are simply found out again after a crash. */
const aheadBytes = 384 * 1024

/** Keys that needed no work, after which their being passed is worth a checkpoint. */
const unforced = 20_000

/**
 * The order in which results become permanent. Keys enter in order and are settled in any; whatever is settled without a gap goes into the
 * ledger and moves the cursor, and what is settled beyond a gap is written along, so that a crash forgets nothing that took work.
 */
export class Frontier {
  readonly #records: Records
  readonly #lease: PairLease
  readonly #writer: LedgerWriter
  readonly #name: () => string
  readonly #onSettled: ResolvedOptions['onSettled']
  readonly #intents: IntentLog | undefined
  #untold: SettledObject[] = []
  #queue: Pending[] = []
  #head = 0
  /** Entries beyond the cursor that an earlier run wrote along. */
  #inherited: readonly LedgerEntry[]
  #cursor: string
  #work: Promise<unknown> = Promise.resolve()
  #fresh = 0
  #freshBytes = 0
  #drained = 0
  /** New objects of each side since the last checkpoint. */
  #brought = { from: 0, to: 0 }
  #missed = false
  /** Upload notes that can go once the entries of their keys are committed. */
  #notes: { key: string; uploads: UploadLog }[] = []
  /** Present in a partition. */
  readonly #tally: Tally | undefined
  readonly #beside: (() => Beside) | undefined

  constructor(
    records: Records,
    lease: PairLease,
    writer: LedgerWriter,
    inherited: readonly LedgerEntry[],
    name: () => string,
    onSettled?: ResolvedOptions['onSettled'],
    intents?: IntentLog,
    beside?: () => Beside,
  ) {
    this.#records = records
    this.#lease = lease
    this.#writer = writer
    this.#inherited = inherited
    this.#name = name
    this.#onSettled = onSettled
    this.#intents = intents
    this.#cursor = lease.state.cursor
    this.#tally = lease.state.part === null ? undefined : new Tally(lease.state.part.counts)
    this.#beside = beside
  }

  /** Keys that are not in the ledger yet. */
  get length(): number {
    return this.#queue.length - this.#head
  }

  /** Entries above a key that an earlier run wrote along. */
  inheritedAbove(key: string): LedgerEntry[] {
    return this.#inherited.filter((entry) => compareKeys(entry.key, key) > 0)
  }

  /** The last key that is settled without a gap. */
  get cursor(): string {
    return this.#cursor
  }

  /** Results since the last checkpoint. */
  get fresh(): number {
    return this.#fresh
  }

  /** Bytes of the results since the last checkpoint that would be sent again if they were forgotten. */
  get freshBytes(): number {
    return this.#freshBytes
  }

  /** Adds the next key. */
  add(key: string): Pending {
    const pending: Pending = { key, settled: false, entry: undefined, origin: undefined, blocks: undefined, tally: 0 }
    this.#queue.push(pending)
    return pending
  }

  /** Notes the result of a key; without an entry the ledger forgets it. */
  settle(pending: Pending, entry?: LedgerEntry, origin?: EntryOrigin): void {
    pending.settled = true
    pending.entry = entry
    pending.origin = origin
    if (origin === undefined) this.#fresh++
  }

  /** Notes that a result took bytes, and perhaps an upload note in this log. */
  spent(key: string, bytes: number, uploads: UploadLog | undefined): void {
    this.#freshBytes += bytes
    if (uploads !== undefined) this.#notes.push({ key, uploads })
  }

  /** Notes that a side has an object more. */
  brought(side: Side): void {
    this.#brought[side]++
  }

  /** Notes that an object failed. */
  missed(): void {
    this.#missed = true
  }

  /** Hands everything that is settled without a gap to the ledger's writer. */
  drain(): Promise<void> {
    return this.#serial(() => this.#drain())
  }

  /** Makes permanent what is settled. @param last nothing will follow: also what could yet be put more neatly */
  checkpoint(last: boolean): Promise<void> {
    return this.#serial(() => this.#checkpoint(last))
  }

  /** A checkpoint, if there is anything that took work, or a good deal of the way is behind us. */
  async checkpointIfFresh(): Promise<void> {
    if (this.#fresh > 0 || this.#drained >= unforced) await this.checkpoint(false)
  }

  #serial<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#work.then(work)
    this.#work = next.catch(() => undefined)
    return next
  }

  async #drain(): Promise<void> {
    for (;;) {
      const pending = this.#queue[this.#head]
      if (pending === undefined || !pending.settled) break
      // What could not be appended stays at the head, to be appended again: the cursor must not move past it.
      if (pending.entry !== undefined) {
        await this.#writer.append(pending.entry, pending.origin)
        this.#note(pending.entry, pending.blocks)
      }
      this.#head++
      this.#drained++
      this.#count(pending)
      this.#cursor = pending.key
    }
    if (this.#head > 1024 || this.#head === this.#queue.length) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** Settles a key in the ledger, and counts it when the ledger's cursor does. */
  #count(pending: Pending): void {
    // The entry may have made the writer let go of what it kept back: all before it is safe then.
    if (this.#writer.safe === this.#cursor) this.#tally?.pass()
    this.#tally?.add(pending)
    this.#writer.settle(pending.key)
    if (this.#writer.safe === pending.key) this.#tally?.pass()
  }

  async #checkpoint(last: boolean): Promise<void> {
    await this.#drain()
    this.#lease.check()
    await this.#tell()
    const notes = this.#notes
    this.#notes = []
    this.#fresh = 0
    this.#freshBytes = 0
    this.#drained = 0
    const { refs, cursor } = await this.#writer.flush(last)
    if (cursor === this.#cursor) this.#tally?.pass()
    const beside = this.#beside?.()
    if (beside !== undefined) this.#tally?.note(beside.problems, beside.failed)
    const counts = this.#tally?.counts
    const before = this.#lease.state.ahead
    const ahead = await this.#writeAhead(cursor)
    const brought = { ...this.#brought }
    await this.#lease.commit((state) => ({
      ...state,
      cursor,
      done: refs,
      rest: above(state.rest, cursor),
      ahead,
      brought: state.brought + brought.to,
      broughtBack: state.broughtBack + brought.from,
      missed: state.missed || this.#missed,
      part: state.part && {
        ...state.part,
        counts: counts ?? state.part.counts,
        ...(beside === undefined ? {} : { errors: beside.errors, bytes: beside.bytes }),
      },
    }))
    this.#brought = { from: this.#brought.from - brought.from, to: this.#brought.to - brought.to }
    const dropped = this.#writer.takeDropped(cursor)
    if (before !== null && before.record !== ahead?.record) dropped.push(before.record)
    for (const record of dropped) await deleteRecord(this.#records, record, this.#lease.signal)
    for (const { key, uploads } of notes) {
      const note = await uploads.find(key)
      if (note?.record.outcome) await uploads.remove(note)
    }
    await this.#intents?.committed(cursor)
  }

  #note({ key, source, digest }: LedgerEntry, blocks: Uint8Array | undefined): void {
    if (this.#onSettled === undefined) return
    this.#untold.push({
      key,
      size: source.size,
      ...(digest === undefined ? {} : { digest }),
      ...(blocks === undefined ? {} : { blocks }),
    })
  }

  /** Tells what was settled. What was not heard is told again at the next checkpoint. */
  async #tell(): Promise<void> {
    const objects = this.#untold
    if (objects.length === 0) return
    await this.#onSettled?.([...objects])
    this.#untold = []
  }

  async #writeAhead(cursor: string): Promise<ChunkRef | null> {
    const here = this.#queue.slice(this.#head).flatMap(({ entry, origin }) => (entry && !origin ? [entry] : []))
    this.#inherited = this.#inherited.filter((entry) => compareKeys(entry.key, cursor) > 0)
    const merged = mergeEntries(this.#inherited, here)
    let bytes = 0
    const entries: LedgerEntry[] = []
    for (const entry of merged) {
      bytes += entryCost(entry)
      if (bytes > aheadBytes) break
      entries.push(entry)
    }
    const [first, last] = [entries[0], entries.at(-1)]
    if (first === undefined || last === undefined) return null
    const record = this.#name()
    await writeRecord(this.#records, record, encodeEntries(entries), null, this.#lease.signal)
    return { first: first.key, last: last.key, count: entries.length, record, level: 0 }
  }
}
