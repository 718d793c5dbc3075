/** Derived from versions, drafts and replicas. */
export type DatasetStatus = 'uploading' | 'ready' | 'syncing' | 'error'

/** A named collection of files with numbered, immutable versions. */
export interface Dataset {
  id: string
  name: string
  userId: string
  workspaceId?: string
  description: string
  tags: string[]
  /** The newest published version, or 0 when nothing was published yet. */
  version: number
  /** Bytes of the newest version. */
  size: number
  /** Files of the newest version. */
  fileCount: number
  /** Milliseconds since the epoch. */
  createdAt: number
  updatedAt: number
}

/** A published version: what a manifest says, never changed again. */
export interface DatasetVersion {
  datasetId: string
  /** From 1, given at publish. */
  number: number
  /** The root digest of its manifest. */
  manifest: string
  /** The version numbers it was made from. */
  parents: number[]
  author: string
  message: string
  size: number
  fileCount: number
  createdAt: number
}

/** `deleting` comes before the bytes go; such a replica is never read. */
export type ReplicaStatus = 'syncing' | 'ready' | 'error' | 'deleting'

/** One version of a dataset on one source. */
export interface DatasetReplica {
  datasetId: string
  version: number
  sourceId: string
  /** Where it lies in the source, ending in `/`: `<root>/<datasetId>/`. */
  path: string
  /** bytes */
  size: number
  status: ReplicaStatus
  /** The replica that received the upload. */
  isPrimary: boolean
  lastSyncAt?: number
  /** Why the status is `error`. */
  errorMessage?: string
  createdAt: number
  updatedAt: number
}

/**
 * What is wrong with an object of a replica: it is `missing`, has another `size` or `digest`, cannot be read (`unreadable`) while others of its
 * source can, or the whole place was `replaced` by something that is not this replica.
 */
export type DamageKind = 'missing' | 'size' | 'digest' | 'unreadable' | 'replaced'

/** An object of a replica that was found bad, twice, and is not mended yet. Reads go elsewhere for it. */
export interface Damage {
  datasetId: string
  sourceId: string
  /** The object's key in the source: the replica's path and the key in it. */
  key: string
  kind: DamageKind
  /** The bad blocks of 8 MiB, from 0, of a file of more than one; the first 1000. */
  blocks: number[]
  message: string
  /** When it was found first. Milliseconds since the epoch. */
  foundAt: number
  /** How often it was found, so that one that is found again while it is mended is not forgotten. */
  found: number
}

/** An upload that is not published yet. Its files lie under `<replica path><draft id>/`. */
export interface Draft {
  id: string
  datasetId: string
  sourceId: string
  /** The replica path it writes under, ending in `/`. */
  path: string
  /** The version it will follow; publishing fails with `conflict` when another came first. */
  baseVersion: number
  author: string
  status: 'open' | 'published' | 'discarded'
  createdAt: number
  updatedAt: number
}

/** One uploaded file of a draft. */
export interface DraftFile {
  /** Portable path inside the dataset. */
  path: string
  /** Key relative to the replica path: `<draft id>/<path>`; `<draft id>.<n>/<path>` of what was sent by URL when an earlier try was refused. */
  key: string
  size: number
  digest: string
  contentType?: string
  /** Of a file that was sent by a signed URL: `etag:` and the etag of the object whose bytes were read and found right. */
  fingerprint?: string
}

/** The status of a dataset, from its parts. */
export function datasetStatus(state: {
  version: number
  openDrafts: number
  replicas: readonly Pick<DatasetReplica, 'status' | 'version'>[]
}): DatasetStatus {
  if (state.version === 0) return 'uploading'
  const newest = state.replicas.filter((replica) => replica.version === state.version && replica.status !== 'deleting')
  if (!newest.some((replica) => replica.status === 'ready')) return 'error'
  if (newest.some((replica) => replica.status === 'syncing')) return 'syncing'
  return newest.some((replica) => replica.status === 'error') ? 'error' : 'ready'
}
