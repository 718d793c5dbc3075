import {
  type Clock,
  type Events,
  type Location,
  type Random,
  type SyncStore,
  systemClock,
  systemRandom,
} from '@stowage/core'
import { SourceLimits, steadyClock } from './flow/index.ts'
import { type ForgetUploadsOptions, forgetUploads, runSync, type SyncOptions, type SyncResult } from './run/index.ts'
import { createTasks, type Owner, processOwner, type SyncTasks } from './state/index.ts'
import { type VerifyOptions, type VerifyResult, verifySides } from './verify/index.ts'

/** What a sync engine is made of. */
export interface CreateSyncOptions {
  /** Where leases, checkpoints, the ledger and tasks are kept. */
  store: SyncStore
  /** @defaultValue the machine's */
  clock?: Clock
  /** @defaultValue the machine's */
  random?: Random
  /** Told of progress and of the states of tasks. */
  events?: Events
  /** Who runs. @defaultValue this process */
  owner?: Owner
  /**
   * Takes secrets out of the words of stores, which records of tasks and results keep: the `text` of a redactor, say.
   * @defaultValue they are kept as they are
   */
  clean?: (words: string) => string
}

/** The sync engine. */
export interface Sync {
  /**
   * Makes `to` hold what `from` holds. Incremental by its ledger, resumable by its checkpoints: the same call goes on where an earlier one
   * ended, however it ended.
   *
   * @throws StowageError when it stopped for safety and nothing was deleted ({@link isSafetyStop} tells), when an option is wrong
   * (`configuration`), or when the lease was lost (`lease-lost`)
   */
  run(options: SyncOptions): Promise<SyncResult>
  /**
   * Reads both sides and compares every byte.
   * @throws StowageError of a listing that failed, or `aborted`
   */
  verify(a: Location, b: Location, options?: VerifyOptions): Promise<VerifyResult>
  /**
   * Aborts the unfinished uploads of a sync that nobody will go on with, by their exact keys, and returns how many there were.
   * @throws StowageError `lease-held` when it is running
   */
  forgetUploads(options: ForgetUploadsOptions): Promise<number>
  readonly tasks: SyncTasks
}

/**
 * Makes a sync engine on a store.
 *
 * @example
 * ```ts
 * const sync = createSync({ store: memoryStore() })
 * const result = await sync.run({ from: at(disk, 'raw'), to: at(lan, 'raw'), delete: true })
 * ```
 */
export function createSync(options: CreateSyncOptions): Sync {
  const records = { store: options.store, clock: options.clock ?? systemClock, random: options.random ?? systemRandom }
  const engine = {
    records,
    owner: options.owner ?? processOwner,
    events: options.events,
    clean: options.clean,
    limits: new SourceLimits(steadyClock(records.clock)),
  }
  return {
    run: (given) => runSync(engine, given),
    verify: (a, b, given = {}) => verifySides(records, a, b, given),
    forgetUploads: (given) => forgetUploads(engine, given),
    tasks: createTasks(records),
  }
}
