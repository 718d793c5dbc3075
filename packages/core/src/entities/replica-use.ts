import type { DatasetReplica } from './dataset.ts'

/** What names a replica. */
export type ReplicaName = Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId'>

/** A replica with what is known of its use. */
export interface ReplicaUse extends DatasetReplica {
  /** When it was read last, as far as it is noted; before that, when it became ready. Milliseconds since the epoch. */
  usedAt: number
  /** Somebody may read it without us until then, by a signed URL say. 0 when nobody does. */
  heldUntil: number
}

/** A replica that is marked `deleting`, and how far its removal is. */
export interface Removal extends ReplicaName {
  /** Where it lies in the source. */
  path: string
  /** When it was marked. Milliseconds since the epoch. */
  markedAt: number
  /** Its bytes stay until then, at least. */
  notBefore: number
  /** Its bytes are going, so that it cannot be kept any more. */
  begun: boolean
}

/** Bytes of files that lie on a source for datasets. Files that several versions share at one place count once. */
export interface SourceUsage {
  sourceId: string
  /** All of them: those of replicas in every state, and of uploads that are not published. */
  bytes: number
  /** Those of `bytes` that will be gone when what is marked for deletion is. */
  leaving: number
  /** Replicas that are not marked for deletion. */
  replicas: number
}

/** A dataset, or one version of it, that no eviction takes from a source. */
export interface Pin {
  datasetId: string
  /** Absent: every version. */
  version?: number
  /** Absent: on every source. */
  sourceId?: string
  /** Who pinned it. */
  pinnedBy: string
  createdAt: number
}
