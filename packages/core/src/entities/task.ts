/** `pending -> running -> success | failed | cancelled`; `running <-> paused`. */
export type TaskStatus = 'pending' | 'running' | 'paused' | 'success' | 'failed' | 'cancelled'

/** Phases of a running sync, in order. */
export type TaskPhase = 'listing' | 'copying' | 'deleting' | 'finishing'

/** A failure of one object, as a task reports it. */
export interface ObjectFailure {
  key: string
  code: string
  message: string
}

/** Counts of a sync, exact at the end. */
export interface SyncCounts {
  copied: number
  skipped: number
  deleted: number
  failed: number
  conflicts: number
}

/** Bounds of the objects that take part in a sync, both ends included. What does not take part is neither written nor deleted. */
export interface ObjectBounds {
  /** bytes */
  minSize?: number
  /** bytes */
  maxSize?: number
  /** Milliseconds since the object was last written: its own store tells the time, this machine the age. */
  minAgeMs?: number
  /** Milliseconds. */
  maxAgeMs?: number
}

/** What a run was asked for besides its ends, so that the task can be run again. */
export interface SyncTaskOptions extends ObjectBounds {
  /** Changes of either side went over to the other. */
  twoWay?: boolean
  conflict?: 'newer' | 'source' | 'target' | 'keep-both'
  delete?: boolean
  maxDeletePercent?: number
  maxDeleteCount?: number
  allowEmpty?: boolean
  checksum?: boolean
  include?: readonly string[]
  exclude?: readonly string[]
  concurrency?: number
  partSize?: number
  bandwidthLimit?: number
}

/** A sync of one folder, or of one version of a dataset, from one source to another. */
export interface SyncTask {
  id: string
  datasetId?: string
  version?: number
  policyId?: string
  /** What is to be done is what is noted for its policy by the time it is run. */
  noted?: true
  /** It was put into the queue, and is tried again there. */
  queued?: true
  sourceId: string
  targetId: string
  sourcePrefix: string
  targetPrefix: string
  /** `full` looks at everything without a ledger of an earlier run, `incremental` has one. */
  type: 'full' | 'incremental'
  status: TaskStatus
  phase?: TaskPhase
  /** 0 to 100, over all runs; a guess while the sides are still being listed. 100 when it succeeded. */
  progress: number
  /** Bytes that came into the target in all runs of this task, and by all who help with it. */
  transferredSize: number
  /** These, and what is still to come, as far as known. */
  totalSize: number
  /** Bytes that an earlier run had sent and that were not sent again. */
  resumedSize: number
  /** Bytes a second, smoothed, of all who work on it. 0 when nobody does. */
  speed: number
  /** Processes that work on it, when it is large enough to be shared. */
  workers?: number
  objects: SyncCounts
  errorMessage?: string
  errorCode?: string
  /** The first failures, at most 1000; `objects.failed` counts all. */
  errors: ObjectFailure[]
  retryCount: number
  options?: SyncTaskOptions
  /** Milliseconds since the epoch. */
  createdAt: number
  updatedAt: number
  startedAt?: number
  completedAt?: number
}
