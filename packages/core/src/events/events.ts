import type { DamageKind, Pin, SourceHealth, SourceStatus, SyncCounts, SyncTask, TaskPhase } from '../entities/index.ts'
import type { ErrorCode } from '../errors/index.ts'

/** Progress of an upload, of one file or of all of it. */
export interface UploadProgress {
  datasetId: string
  draftId: string
  /** Files done. */
  files: number
  /** Bytes sent. */
  bytes: number
  /** Bytes to send, as far as the folder was looked through; exact once `listingDone`. */
  totalBytes: number
  /** Whether all of the folder was looked through. */
  listingDone: boolean
  /** 0 to 100; see {@link SyncProgress.percent}. */
  percent: number
  /** Bytes a second, smoothed. */
  rate: number
  /** Seconds left, when it can be said. */
  secondsLeft?: number
}

/** Progress of one run of a sync task. What all runs and all helpers of a task have done is in its record. */
export interface SyncProgress {
  taskId: string
  phase: TaskPhase
  objects: SyncCounts
  /** Bytes that came into the target or are on their way: sent from here, also in vain, or copied by the store itself. It never falls. */
  bytes: number
  /** `bytes`, and what is still to come, as far as the listing has come; exact once `listingDone`. At the end, all of it has come. */
  totalBytes: number
  listingDone: boolean
  /**
   * 0 to 100: of the bytes, once all that is to be done is known; before that no more than the share of the keys that were looked at, which
   * is a guess. 100 only at the end.
   */
  percent: number
  /** Bytes a second, smoothed. */
  rate: number
  /** Seconds left, when it can be said. */
  secondsLeft?: number
}

/** A read went on from another replica. */
export interface ReadFailover {
  datasetId: string
  path: string
  from: string
  to: string
  /** The byte at which the second replica took over. */
  offset: number
  /** The error code that ended the first. */
  code: string
}

/** An upload began again at another source, in a draft of its own there: the source that it began at was lost. */
export interface UploadFailover {
  datasetId: string
  /** The draft that was given up. The sweep of drafts throws away what of it lies at the first source. */
  fromDraftId: string
  /** The draft that took its place. */
  draftId: string
  from: string
  to: string
  /** The error code that ended the first. */
  code: string
}

/** A routing decision, in short. */
export interface RouteDecided {
  purpose: 'read' | 'write' | 'backup' | 'repair'
  datasetId?: string
  /** Source ids, best first. */
  candidates: string[]
  dropped: { sourceId: string; filter: string; reason: string }[]
  ruleIds: string[]
  ruleSetHash: string
}

/** A call to a source, as it was measured. Names no key and no dataset. */
export interface SourceCall {
  sourceId: string
  /** The adapter's method, such as `get` or `multipart.uploadPart`. */
  operation: string
  kind: 'read' | 'write' | 'list' | 'control'
  /** Milliseconds until the store answered. */
  ms: number
  /** Milliseconds until all was over: of a read, until its body was read or destroyed. */
  totalMs: number
  bytesUp: number
  bytesDown: number
  code: 'ok' | ErrorCode
}

/** An object of a replica, by its key in the source. */
export interface ReplicaObject {
  datasetId: string
  version: number
  sourceId: string
  key: string
}

/** How long changes of a policy's source took to be in its target. */
export interface PolicyLag {
  policyId: string
  /** Changes that are told of now. */
  count: number
  /** Milliseconds from the write, as the source's store tells its time, until the copy was there: the longest of them. */
  ms: number
  /** The same from the moment we heard of the write, all by one clock. */
  sinceHeardMs: number
  /** Smoothed over the changes before. */
  smoothedMs: number
}

/** Something an operator should know of. */
export interface Alert {
  severity: 'warning' | 'critical'
  code: string
  message: string
  sourceId?: string
  datasetId?: string
  taskId?: string
}

/** Every event by name. Payloads never carry credentials. */
export interface StowageEvents {
  'upload.progress': UploadProgress
  'sync.progress': SyncProgress
  'task.state': SyncTask
  /** The status of a source changed, by what was seen here or in another process. */
  'source.health': { sourceId: string; status: SourceStatus } & Pick<
    SourceHealth,
    'code' | 'trouble' | 'since' | 'retryAt'
  >
  /** Sources of the catalog were added, changed or removed, here or in another process. */
  'sources.changed': { changed: string[]; removed: string[] }
  /** Policies of the catalog were added, changed or removed, here or in another process. */
  'policies.changed': { changed: string[]; removed: string[] }
  'policy.lag': PolicyLag
  'source.call': SourceCall
  'route.decided': RouteDecided
  'read.failover': ReadFailover
  'upload.failover': UploadFailover
  'dataset.published': { datasetId: string; version: number; sourceId: string }
  /** An object of a replica was found bad for the first time. */
  'replica.damaged': ReplicaObject & { kind: DamageKind; message: string }
  /** It was written again, or found right again. */
  'replica.mended': ReplicaObject
  /** A replica was marked to make room on its source, and is not read any more; its bytes go later. */
  'replica.evicted': { datasetId: string; version: number; sourceId: string; bytes: number; usedAt: number }
  /** The bytes of a replica that was marked are gone. */
  'replica.removed': { datasetId: string; version: number; sourceId: string; objects: number }
  /** Somebody keeps a dataset, or a version of it, from eviction, or does so no more. */
  'dataset.pinned': Omit<Pin, 'createdAt'>
  'dataset.unpinned': Omit<Pin, 'createdAt' | 'pinnedBy'> & { unpinnedBy: string }
  alert: Alert
}
