import { compareKeys, decodeRecord, encodeRecord, MAX_RECORD_VALUE, StowageError } from '@stowage/core'
import type { LeaseRecord } from './lease-record.ts'
import type { PartInfo, Partitioning } from './part-info.ts'

/** The right to work on a pair, for a while. */
interface PairLeaseRecord extends LeaseRecord {
  /** Counts up with every new owner, so that an old one can be told. */
  token: number
}

/** A part of the ledger that lies in a record of its own: level 0 holds entries, a higher level holds references of the level below. */
export interface ChunkRef {
  first: string
  last: string
  /** Entries in it and below. */
  count: number
  record: string
  level: number
}

/** The references that still say something about keys above `cursor`. */
export function above(refs: readonly ChunkRef[], cursor: string): ChunkRef[] {
  return cursor === '' ? [...refs] : refs.filter((ref) => compareKeys(ref.last, cursor) > 0)
}

/** Where a pass stands. `finishing` and `listing` are only shown to people; the work goes on from the cursor. */
type PairPhase = 'idle' | 'copying' | 'deleting'

/** Everything that must change together, in one record. */
export interface PairState {
  lease: PairLeaseRecord | null
  /** The highest token ever given. */
  token: number
  /** Numbers the writes, so that no two have the same bytes, and the chunks. */
  sequence: number
  taskId: string | null
  /** What the unfinished pass was asked for; another wish starts from the beginning. */
  intent: string
  phase: PairPhase
  /** Everything up to this key (relative to the prefixes) is settled by the current pass. Empty: nothing yet. */
  cursor: string
  /** The ledger up to the cursor. */
  done: ChunkRef[]
  /** The ledger of earlier passes; what it says of keys up to the cursor is void. */
  rest: ChunkRef[]
  /** Entries settled beyond the cursor, out of order. They win over `rest`. */
  ahead: ChunkRef | null
  /** False while somebody works: records that nothing refers to may lie about. */
  clean: boolean
  /** Until then (store's clock) requests of an owner that was taken over might still arrive; nothing is deleted before. */
  quietUntil: number
  /** Objects that were new in the target and came with passes since the last success: running again must not make them count as its own. */
  brought: number
  /** The same for the source, which a two-way sync writes to as well. */
  broughtBack: number
  /** Whether the unfinished pass left objects behind that failed. */
  missed: boolean
  /** Objects that runs of named keys deleted since the last run that saw everything: together they stay within its share. */
  namedDeletes: number
  /** In a pair's record, while its key space is partitioned: then cursor and ledger are in the records of the partitions. */
  partitioning: Partitioning | null
  /** In a partition's record, what makes it one: everything else here is restricted to its keys. */
  part: PartInfo | null
}

export function emptyPair(): PairState {
  return {
    lease: null,
    token: 0,
    sequence: 0,
    taskId: null,
    intent: '',
    phase: 'idle',
    cursor: '',
    done: [],
    rest: [],
    ahead: null,
    clean: true,
    quietUntil: 0,
    brought: 0,
    broughtBack: 0,
    missed: false,
    namedDeletes: 0,
    partitioning: null,
    part: null,
  }
}

type PackedRef = [first: string, last: string, count: number, record: string, level: number]

export function packRef(ref: ChunkRef): PackedRef {
  return [ref.first, ref.last, ref.count, ref.record, ref.level]
}

export function unpackRef([first, last, count, record, level]: PackedRef): ChunkRef {
  return { first, last, count, record, level }
}

/** The format of a pair record while its key space is partitioned, and of the records of the partitions. */
const PARTITIONED_FORMAT = 2

export function encodePair(state: PairState): Uint8Array {
  const { done, rest, ahead, part, partitioning, ...others } = state
  const record = {
    ...others,
    done: done.map(packRef),
    rest: rest.map(packRef),
    ahead: ahead === null ? null : packRef(ahead),
  }
  const split = part !== null || partitioning !== null
  // An older version, which knows nothing of partitions, reads the others as ever, and refuses these.
  const bytes = split ? encodeRecord({ ...record, part, partitioning }, PARTITIONED_FORMAT) : encodeRecord(record)
  if (bytes.length > MAX_RECORD_VALUE)
    throw new StowageError('internal', `A pair record of ${bytes.length} bytes is too large.`)
  return bytes
}

export function decodePair(key: string, bytes: Uint8Array): PairState {
  const packed = decodeRecord<
    Omit<PairState, 'done' | 'rest' | 'ahead'> & {
      format: number
      done: PackedRef[]
      rest: PackedRef[]
      ahead: PackedRef | null
    }
  >(key, bytes, PARTITIONED_FORMAT)
  const { format: _, ...state } = packed
  return {
    ...emptyPair(),
    ...state,
    done: packed.done.map(unpackRef),
    rest: packed.rest.map(unpackRef),
    ahead: packed.ahead === null ? null : unpackRef(packed.ahead),
  }
}
