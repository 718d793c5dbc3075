/** A record and the revision it has. */
export interface StoredRecord {
  value: Uint8Array
  /** Opaque; another one after every write. Never used again for the same key, also not after a delete. */
  revision: string
}

/** One of several writes. `value: null` deletes. `expected` as for {@link SyncStore.put} and {@link SyncStore.delete}. */
export type RecordWrite =
  | { key: string; value: Uint8Array; expected: string | null }
  | { key: string; value: null; expected?: string }

/**
 * Where the sync engine keeps tasks, leases, checkpoints and the ledger: small records under ordered keys, each written by
 * compare-and-swap. That is all it needs, so a map, a folder, a table or a bucket with conditional writes can be a store.
 *
 * Rules, checked by the contract suite `testSyncStore` of `@stowage/core/testing`:
 * - keys are 1 to 512 bytes of `a-z 0-9 . _ - /`, values up to 512 KiB;
 * - `put` and `delete` are atomic and, once they returned, survive a crash of the process (a memory store: as long as it lives);
 * - a reader never sees half a value, and sees its own writes;
 * - when the outcome of a write is unknown (a connection broke), it throws `unavailable`; the caller reads again and compares.
 */
export interface SyncStore {
  /** The store's clock, in milliseconds since the epoch: the one clock that lease times are measured by. */
  now(): Promise<number>
  /** The record, or `undefined`. */
  get(key: string): Promise<StoredRecord | undefined>
  /**
   * Writes a record if its revision is still `expected` (`null`: if there is none) and returns the new revision.
   * @throws StowageError `conflict` when it is not, and nothing was written
   */
  put(key: string, value: Uint8Array, expected: string | null): Promise<string>
  /**
   * Deletes a record. One that does not exist is no error, unless `expected` is given.
   * @throws StowageError `conflict` when `expected` is given and is not its revision
   */
  delete(key: string, expected?: string): Promise<void>
  /**
   * Several writes to records of different keys in one step, where a store has such: all of them, or none.
   * @returns the revision that all written records have then
   * @throws StowageError `conflict` when one of them is refused, and nothing was written
   */
  batch?(writes: readonly RecordWrite[]): Promise<string>
  /** Keys that begin with `prefix`, in byte order, only those above `after` when it is given, at most `limit` of them. */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<string[]>
  /** Gives resources back. */
  close(): Promise<void>
}
