import type { Generated } from 'kysely'

/*
 * Ids, names, keys and paths are columns of bytes, so that they compare as bytes in every database, whatever its locale.
 * Times are milliseconds since the epoch. JSON is text and is parsed by zod when it is read.
 */

interface MetaTable {
  name: string
  value: string
}

interface CounterTable {
  name: string
  value: number
}

interface RecordTable {
  key: Uint8Array
  value: Uint8Array
  revision: number
}

/** A dataset; `owner` is what its name is unique within. */
export interface DatasetTable {
  /** Order of creation, also among equal times. */
  seq: Generated<number>
  id: Uint8Array
  owner: Uint8Array
  name: Uint8Array
  user_id: Uint8Array
  workspace_id: Uint8Array | null
  description: string
  tags: string
  version: number
  size: number
  file_count: number
  created_at: number
  updated_at: number
}

export interface DraftTable {
  seq: Generated<number>
  id: Uint8Array
  dataset_id: Uint8Array
  source_id: Uint8Array
  path: Uint8Array
  base_version: number
  author: Uint8Array
  status: string
  /** The number it was published as. */
  published_version: number | null
  /** 1 once the files of a closed draft are gone from `draft_files`. */
  purged: number
  created_at: number
  updated_at: number
}

export interface DraftFileTable {
  draft_id: Uint8Array
  path: Uint8Array
  key: Uint8Array
  size: number
  digest: string
  content_type: string | null
  fingerprint: string | null
}

export interface VersionTable {
  dataset_id: Uint8Array
  number: number
  manifest: string
  parents: string
  author: Uint8Array
  message: string
  size: number
  file_count: number
  created_at: number
}

export interface ReplicaTable {
  seq: Generated<number>
  dataset_id: Uint8Array
  version: number
  source_id: Uint8Array
  path: Uint8Array
  size: number
  status: string
  is_primary: number
  last_sync_at: number | null
  error_message: string | null
  created_at: number
  updated_at: number
}

/** An object of a replica that is known to be bad. */
export interface DamageTable {
  dataset_id: Uint8Array
  source_id: Uint8Array
  key: Uint8Array
  kind: string
  blocks: string
  message: string
  found_at: number
  found: number
}

/** Bytes of a version's files that one draft brought. */
interface VersionPartTable {
  dataset_id: Uint8Array
  version: number
  draft: Uint8Array
  size: number
}

/** When a replica was read last, and until when somebody may read it without us. */
interface ReplicaUseTable {
  dataset_id: Uint8Array
  version: number
  source_id: Uint8Array
  /** 0 when no read is noted. */
  used_at: number
  held_until: number
}

/** How far the removal of a replica is that is marked `deleting`. */
export interface RemovalTable {
  dataset_id: Uint8Array
  version: number
  source_id: Uint8Array
  marked_at: number
  not_before: number
  begun: number
  unless_pinned: number
  /** What it goes back to when it is kept after all. */
  status_before: string
}

export interface PinTable {
  dataset_id: Uint8Array
  /** 0 for all. */
  version: number
  /** Empty for all. */
  source_id: Uint8Array
  pinned_by: Uint8Array
  created_at: number
}

export interface OutboxTable {
  id: Generated<number>
  kind: string
  dataset_id: Uint8Array
  version: number
  created_at: number
  attempts: number
  held_until: number
}

/** A source; what it needs to be signed in with is in {@link SourceCredentialTable}. */
export interface SourceTable {
  id: Uint8Array
  name: Uint8Array
  type: string
  endpoint: string | null
  bucket: Uint8Array | null
  region: string | null
  is_public: number
  priority: number
  weight: number
  enabled: number
  options: string
  last_health_check_at: number | null
  /** The counter's value at the last change: the source's revision. */
  change: number
  created_at: number
  updated_at: number
}

/** Ciphertext of a vault, and nothing else. */
export interface SourceCredentialTable {
  source_id: Uint8Array
  /** `current` or `next`. */
  slot: string
  data_key: Uint8Array
  access_key: Uint8Array | null
  secret_key: Uint8Array | null
  session_token: Uint8Array | null
}

/** Ids of sources that were removed, for those who keep a copy of the list. */
interface RemovedSourceTable {
  id: Uint8Array
  change: number
}

/** Every table of the catalog. */
export interface CatalogSchema {
  stowage_meta: MetaTable
  counters: CounterTable
  records: RecordTable
  datasets: DatasetTable
  drafts: DraftTable
  draft_files: DraftFileTable
  versions: VersionTable
  replicas: ReplicaTable
  damage: DamageTable
  version_parts: VersionPartTable
  replica_uses: ReplicaUseTable
  removals: RemovalTable
  pins: PinTable
  outbox: OutboxTable
  sources: SourceTable
  source_credentials: SourceCredentialTable
  removed_sources: RemovedSourceTable
}
