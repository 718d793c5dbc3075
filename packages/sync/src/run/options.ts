import {
  type ErrorCode,
  type Location,
  type ObjectBounds,
  type ObjectFailure,
  StowageError,
  type SyncCounts,
  type SyncProgress,
} from '@stowage/core'
import { placeOf } from '../plan/index.ts'
import { PART_SIZE } from '../transfer/index.ts'
import type { PlannedChange } from './planned.ts'

/** An object that the caller knows of, such as a file of a dataset's manifest. */
export interface SourceObject {
  /** Relative to the source's prefix. */
  key: string
  /** bytes */
  size: number
  /** The source's etag, where it is known. Needed when there is no digest. */
  etag?: string
  /** What the bytes must be: the object fails with `integrity` when they are not. */
  digest?: string
  /** Written in place of the source's own. */
  contentType?: string
}

/** An object that the target holds rightly, told before the cursor passes it. */
export interface SettledObject {
  /** Relative to both prefixes. */
  key: string
  /** bytes */
  size: number
  /** The contents' digest, when they ever passed through here. */
  digest?: string
  /** The SHA-256 of each of its 8 MiB blocks, when its bytes passed through in this task. */
  blocks?: Uint8Array
}

/** Whose version keeps its name when both sides changed an object; see {@link SyncOptions.conflict}. */
export type ConflictPolicy = 'newer' | 'source' | 'target' | 'keep-both'

/** What to sync, and how. The bounds of size and age are not for two-way syncs, those of age not for `objects`, which have none. */
export interface SyncOptions extends ObjectBounds {
  from: Location
  to: Location
  /**
   * Carry changes of either side over to the other, deletes too. What a side changed is told by the ledger, which holds what both had when
   * they last agreed; clocks are not compared. So the first run deletes nothing. A change beats a delete. For plain prefixes only.
   *
   * Give the two places in the same order each time.
   * @defaultValue false
   */
  twoWay?: boolean
  /**
   * For a two-way sync, whose version keeps its name when both sides changed an object and the contents differ. The other version is kept
   * beside it on both sides, as `name.conflict-<side>-<digest>.ext`; nothing is ever lost.
   *
   * - `newer`: the one with the later time, each as its own store tells it, in whole seconds; at the same time, the source's.
   * - `source`, `target`: that side's.
   * - `keep-both`: no preference: the source's.
   * @defaultValue 'keep-both'
   */
  conflict?: ConflictPolicy
  /**
   * The source's objects in UTF-8 byte order of keys, by the page, in place of a listing of the source. It is called more than once, each
   * time with a key: only objects above it are needed, and others may be left out (empty: all are needed). With it, `.stowage/` keys take
   * part, and what is named must exist.
   */
  objects?: (after: string) => AsyncIterable<readonly SourceObject[]>
  /**
   * Look only at these keys, relative to the prefixes, and ask both sides for each of them, in place of listing the sides: for who was told
   * what changed. The ledger is changed in place, and a run over everything that stands in the middle goes on from there as ever. Not for
   * two-way syncs, `objects`, and dry runs.
   * @defaultValue all
   */
  keys?: readonly string[]
  /**
   * Read both objects and compare them where they have one size and nothing else tells whether they are the same, rather than copy. For
   * places that other syncs write to from this target, so that a copy that came round in a ring is known for what it is.
   * @defaultValue false
   */
  compareUnknown?: boolean
  /**
   * Leave an object that was changed in the target alone since this sync looked last: for targets that others write to as well, or whose changes
   * others carry back to the source, so that what is new there is not replaced by what is old here. One that was changed on both sides is replaced.
   * @defaultValue false
   */
  leaveChanged?: boolean
  /** The task this is. @defaultValue the unfinished task of the same pair, or a new one */
  taskId?: string
  /**
   * Help a live run of the same sync with its partitions, where otherwise `lease-held` is thrown: a run of another process, or on another
   * machine, with the same store and the same options. The result has the status `helped` and the counts of what was done here. Should the
   * other run die, this one brings the task to its end. A sync that nobody runs is run as without `join`, unless the task has ended.
   * @defaultValue false
   */
  join?: boolean
  /**
   * Told how many partitions wait for somebody, when that changes: more hands are welcome. A queue may then let that many more workers call
   * `run` with the same options and `join: true`; one that comes too late has nothing to do and returns.
   *
   * @example
   * ```ts
   * await sync.run({ ...options, onPartitions: (open) => queue.invite(taskId, open) })
   * ```
   */
  onPartitions?: (open: number) => void
  /**
   * Parts of the key space that this run walks over side by side, once a sync turns out to be large (some ten thousand keys). They share the
   * requests and the memory of the run. 1: one walk, and nobody can join. Two-way syncs, and those with `onSettled` or `checkKey`, are one
   * walk in any case.
   * @defaultValue 4
   */
  lanes?: number
  policyId?: string
  datasetId?: string
  version?: number
  /** Delete objects of the target that the source does not have. @defaultValue false; with `twoWay`, whether deletes are carried over: true */
  delete?: boolean
  /** Delete nothing when more than this share of the target's objects would go, in percent; with `twoWay`, of either side's. @defaultValue 50 */
  maxDeletePercent?: number
  /** Delete nothing when more objects than this would go; with `twoWay`, of either side's. @defaultValue as many as `maxDeletePercent` lets go */
  maxDeleteCount?: number
  /** Let an empty source empty the target; with `twoWay`, an empty side the other. @defaultValue false */
  allowEmpty?: boolean
  /** Compare contents by reading both sides, whatever the ledger says. @defaultValue false */
  checksum?: boolean
  /** Change nothing, count what would be done. @defaultValue false */
  dryRun?: boolean
  /** In a dry run, told of each change that would be made: copies as they are found, then deletes, also such as are too many to be made. */
  onPlanned?: (change: PlannedChange) => void
  /** Globs of relative keys that take part; see {@link keyFilter}. @defaultValue all */
  include?: readonly string[]
  /** Globs of relative keys that do not take part, on either side. */
  exclude?: readonly string[]
  /**
   * Objects and parts at a time, at most. How many there are is found out: near, some 32 fill the way to a store; a far one takes more, a store
   * that refuses for being asked too much fewer. @defaultValue 256
   */
  concurrency?: number
  /** Bytes of a part; larger objects go in parts. Grows where a store takes fewer parts. @defaultValue 8 MiB */
  partSize?: number
  /** Bytes in memory and on their way, at most. @defaultValue 96 MiB */
  memoryBudget?: number
  /** Bytes a second read from the source, at most, on average. */
  bandwidthLimit?: number
  /**
   * Stop after this many milliseconds, with status `paused`. Each run gets on by at least one object or part, and may take as long as that
   * takes. Deletes come last, in a run that can list both sides within the limit.
   */
  timeLimitMs?: number
  /** Stops the run at once, with status `paused`. */
  signal?: AbortSignal
  /** Tries of each object. @defaultValue 3 */
  maxAttempts?: number
  /**
   * How long a store may be down before the run fails, in milliseconds: many failures in a row without a success are waited out until then, and
   * use up no tries. @defaultValue 60 000
   */
  outageMs?: number
  /** Never replace an object of the target: another one under the same key is a conflict. @defaultValue false */
  createOnly?: boolean
  onProgress?: (progress: SyncProgress) => void
  /** Says why an object must not be brought over, beside what the target's own rules say: it fails with `invalid-key` and this reason. */
  checkKey?: (key: string) => string | undefined
  /**
   * Told of every object that the target holds rightly, copied now or before, in order of keys and before a checkpoint moves past them. After a
   * crash some are told again. When it rejects, the run fails with that error and goes on from before these objects the next time.
   */
  onSettled?: (objects: SettledObject[]) => Promise<void>
  /** Refuse a target that is, lies in, or holds a managed root. Off only for replicas of datasets. @defaultValue true */
  managedCheck?: boolean
}

/** What a run did again, by level. A store that is shared by several runs of one process counts the requests of all of them. */
export interface SyncRetries {
  /** Requests that an adapter sent again by itself. */
  requests: number
  /** Answers by which a store asked to be asked less; the source was slowed down. */
  throttled: number
  /** Objects and parts that were tried again. */
  objects: number
}

/** How a run ended. */
export interface SyncResult {
  taskId: string
  /**
   * `paused`: stopped by the time limit or the signal; the same call goes on from there. `helped`: another run has the task, and none of its
   * partitions is left to be done.
   */
  status: 'success' | 'failed' | 'paused' | 'cancelled' | 'helped'
  /** Of the whole task, when it was partitioned and this run brought it to its end; otherwise of this run. */
  objects: SyncCounts
  /** `transferred` by this run; `total` of the objects it found to be brought over; `resumed`: sent by an earlier run and not sent again. */
  bytes: { transferred: number; total: number; resumed: number }
  /** What had to be done again; absent when nothing was run. The tries of the whole task are in its record, as `retryCount`. */
  retries?: SyncRetries
  seconds: number
  /** The first failures, at most 1000; `objects.failed` counts all. */
  errors: ObjectFailure[]
  /** Things worth knowing that failed nothing: entries left out by rule, deletes that were not made. At most 1000. */
  warnings: string[]
  /** Present when paused: run the same again, or let another machine do it. */
  continuation?: { taskId: string }
  /** Why the whole run ended early, when it failed as a whole. */
  error?: { code: ErrorCode; message: string }
}

/** Options with their defaults filled in. */
export type ResolvedOptions = SyncOptions &
  Required<
    Pick<
      SyncOptions,
      | 'delete'
      | 'maxDeletePercent'
      | 'allowEmpty'
      | 'checksum'
      | 'dryRun'
      | 'include'
      | 'exclude'
      | 'concurrency'
      | 'partSize'
      | 'memoryBudget'
      | 'maxAttempts'
      | 'outageMs'
      | 'createOnly'
      | 'managedCheck'
      | 'twoWay'
      | 'conflict'
      | 'compareUnknown'
      | 'leaveChanged'
      | 'lanes'
      | 'join'
    >
  >

/** @throws StowageError `configuration` for a value that makes no sense */
export function resolveOptions(options: SyncOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    ...options,
    from: placeOf(options.from, 'from'),
    to: placeOf(options.to, 'to'),
    twoWay: options.twoWay ?? false,
    conflict: options.conflict ?? 'keep-both',
    delete: options.delete ?? options.twoWay ?? false,
    maxDeletePercent: options.maxDeletePercent ?? 50,
    allowEmpty: options.allowEmpty ?? false,
    checksum: options.checksum ?? false,
    dryRun: options.dryRun ?? false,
    include: options.include ?? [],
    exclude: options.exclude ?? [],
    concurrency: options.concurrency ?? 256,
    partSize: options.partSize ?? PART_SIZE,
    memoryBudget: options.memoryBudget ?? 96 * 1024 * 1024,
    maxAttempts: options.maxAttempts ?? 3,
    outageMs: options.outageMs ?? 60_000,
    createOnly: options.createOnly ?? false,
    managedCheck: options.managedCheck ?? true,
    compareUnknown: options.compareUnknown ?? false,
    leaveChanged: options.leaveChanged ?? false,
    lanes: options.lanes ?? 4,
    join: options.join ?? false,
  }
  integer('concurrency', resolved.concurrency, 1, 1024)
  integer('lanes', resolved.lanes, 1, 64)
  integer('partSize', resolved.partSize, 1, 5 * 1024 ** 3)
  integer('memoryBudget', resolved.memoryBudget, 1, Number.MAX_SAFE_INTEGER)
  integer('maxAttempts', resolved.maxAttempts, 1, 100)
  within('outageMs', resolved.outageMs, 0, Number.MAX_SAFE_INTEGER)
  within('maxDeletePercent', resolved.maxDeletePercent, 0, 100)
  if (options.maxDeleteCount !== undefined)
    integer('maxDeleteCount', options.maxDeleteCount, 0, Number.MAX_SAFE_INTEGER)
  if (options.bandwidthLimit !== undefined) within('bandwidthLimit', options.bandwidthLimit, 1, Number.MAX_SAFE_INTEGER)
  if (options.timeLimitMs !== undefined) within('timeLimitMs', options.timeLimitMs, 1, Number.MAX_SAFE_INTEGER)
  checkBounds(options)
  checkTwoWay(options)
  checkKeys(options)
  return resolved
}

/** The options that leave objects out by size or age. */
export const boundFields: readonly (keyof ObjectBounds)[] = ['minSize', 'maxSize', 'minAgeMs', 'maxAgeMs']

function checkBounds(options: SyncOptions): void {
  for (const field of boundFields) {
    const value = options[field]
    if (value === undefined) continue
    integer(field, value, 0, Number.MAX_SAFE_INTEGER)
    if (options.twoWay)
      throw wrong(field, 'cannot go with "twoWay": what grows out of it on one side would be missing there')
    if (options.objects !== undefined && field.endsWith('AgeMs'))
      throw wrong(field, 'cannot go with "objects", which have no age')
  }
  for (const [least, most] of [
    ['minSize', 'maxSize'],
    ['minAgeMs', 'maxAgeMs'],
  ] as const) {
    if ((options[least] ?? 0) > (options[most] ?? Number.POSITIVE_INFINITY))
      throw wrong(least, `is above "${most}": nothing would take part`)
  }
}

function checkKeys(options: SyncOptions): void {
  if (options.keys === undefined) return
  if (options.keys.some((key) => typeof key !== 'string' || key === '')) throw wrong('keys', 'must be names of objects')
  for (const field of ['twoWay', 'objects', 'dryRun', 'onSettled', 'join'] as const)
    if (options[field]) throw wrong('keys', `cannot go with "${field}"`)
}

const policies: readonly string[] = ['newer', 'source', 'target', 'keep-both'] satisfies ConflictPolicy[]

function checkTwoWay(options: SyncOptions): void {
  const { twoWay, conflict } = options
  if (conflict !== undefined && !policies.includes(conflict))
    throw wrong('conflict', `must be one of ${policies.join(', ')}, not ${JSON.stringify(conflict)}`)
  if (!twoWay) {
    if (conflict !== undefined) throw wrong('conflict', 'is for two-way syncs: both sides must be free to change')
    return
  }
  for (const field of ['objects', 'createOnly', 'datasetId', 'onSettled'] as const) {
    if (options[field]) throw wrong(field, 'cannot go with "twoWay", which is for plain prefixes')
  }
}

function integer(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value)) throw wrong(field, `must be a whole number, not ${value}`)
  within(field, value, least, most)
}

function within(field: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) throw wrong(field, `must be from ${least} to ${most}, not ${value}`)
}

function wrong(field: string, what: string): StowageError {
  return new StowageError('configuration', `"${field}" ${what}.`, { field })
}
