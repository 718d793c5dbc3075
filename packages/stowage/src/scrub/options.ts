import type { ScrubFinding } from './inspect/index.ts'
import type { PassCounts, PlaceState } from './places/index.ts'

export interface ScrubProgress {
  sourceId: string
  datasetId: string
  /** Files looked at in this run, of all sources. */
  files: number
  /** Bytes read in this run, of all sources. */
  bytes: number
  bad: number
  mended: number
}

export interface ScrubOptions {
  /**
   * Bytes that this run may read, of all sources together; what an hour has left of a source is a limit beside it.
   * @defaultValue what the hour has left of each source
   */
  budget?: number
  /** Mend what is found bad. @defaultValue true */
  repair?: boolean
  /** Only this source. @defaultValue all that are enabled */
  sourceId?: string
  signal?: AbortSignal
  onProgress?: (progress: ScrubProgress) => void
}

/** What a run of the scrub did. */
export interface ScrubResult extends PassCounts {
  /** What was found, the first 1000; `bad`, `mended` and `unread` count all. */
  findings: ScrubFinding[]
  /** Places that were looked at to their end. */
  finished: number
  /** Places that could not be looked at, and why. */
  problems: { sourceId: string; datasetId: string; code: string; message: string }[]
  /** Sources whose budget of this hour is spent. */
  spent: string[]
  /** Sources whose budget does not reach, and how many days each byte takes at it. */
  behind: { sourceId: string; days: number }[]
  seconds: number
}

/** What is known of one place's scrub. */
export interface ScrubStatus extends Omit<PlaceState, 'pass'> {
  /** Versions that lie there. */
  versions: number[]
  /** Since when no byte was read. Milliseconds since the epoch. */
  oldest: number
  /** Objects that are known to be bad and not mended. */
  damaged: number
  /** The pass that is under way. */
  running: (PassCounts & { startedAt: number }) | null
}

export interface VerifyDatasetOptions {
  /** @defaultValue every published version */
  version?: number
  /** @defaultValue every source that has a ready replica */
  sourceId?: string
  /** Mend what is found bad. @defaultValue false */
  repair?: boolean
  signal?: AbortSignal
  onProgress?: (progress: { files: number; bytes: number; totalBytes: number }) => void
}

/** What a verify of a dataset found. */
export interface DatasetVerification extends PassCounts {
  datasetId: string
  versions: number[]
  /** Nothing is bad, or all of it was mended, and everything could be read. */
  clean: boolean
  replicas: (PassCounts & { sourceId: string; path: string; versions: number[] })[]
  /** What was found, the first 1000. */
  findings: ScrubFinding[]
  seconds: number
}
