import type { Clock, ErrorCode, StorageAdapter, StowageError } from '@stowage/core'
import type { MemoryBudget } from './memory-budget.ts'
import type { RetryBudget } from './retry-budget.ts'

/** One place that holds the file. */
export interface ReadCandidate {
  sourceId: string
  adapter: () => Promise<StorageAdapter>
  /** The object's key in that source. */
  key: string
}

export interface VerifiedReadOptions {
  size: number
  digest: string
  /** Best first; at least one. */
  candidates: readonly ReadCandidate[]
  /** Block digests of a file of more than one block; without them only a whole read is checked, at its end. */
  blocks?: Uint8Array
  /** @defaultValue the whole file */
  range?: { start: number; length: number }
  /** Blocks that are fetched while the one before them is used. @defaultValue 1 */
  readAhead?: number
  /** Bytes of a piece that is given out, at most; a block at most in any case. @defaultValue 524288 */
  pieceSize?: number
  signal?: AbortSignal
  /**
   * Milliseconds that the reader may go without a byte while another source is left. A source that is silent for three quarters of it is
   * left, which leaves a quarter for the next one to begin. Time in which nobody reads does not count. @defaultValue 3000
   */
  stallMs?: number
  /** Bytes a second below which a source is left for one that is not known to be as slow. @defaultValue 65536 */
  minBytesPerSecond?: number
  /** What second attempts share. @defaultValue one for all reads of the process */
  budget?: RetryBudget
  /** What blocks that are fetched share. @defaultValue one for all reads of the process */
  memory?: MemoryBudget
  /** Times the waits. @defaultValue the machine's clock */
  clock?: Clock
  /** Take what blocks are right also from a copy of another length: for mending, where they may be all there is. @defaultValue false */
  salvage?: boolean
  /** Told when a candidate failed or delivered bad bytes; `to` is where the read goes on. */
  onFailover?: (failover: { from: string; to: string; offset: number; code: ErrorCode }) => void
  /** Told how each request went: that it serves with its first block that was found right, and that it failed whenever it did. */
  onOutcome?: (sourceId: string, outcome: { ok: true } | { ok: false; code: ErrorCode; error: StowageError }) => void
}
