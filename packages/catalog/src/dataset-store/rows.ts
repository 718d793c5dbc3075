import type {
  Damage,
  Dataset,
  DatasetReplica,
  DatasetVersion,
  Draft,
  DraftFile,
  OutboxEntry,
  ReplicaStatus,
} from '@stowage/core'
import type { Selectable } from 'kysely'
import {
  type DamageTable,
  type DatasetTable,
  type DraftFileTable,
  type DraftTable,
  fromBytes,
  type OutboxTable,
  parseNumbers,
  parseTexts,
  type ReplicaTable,
  type VersionTable,
} from '../database/index.ts'

export function toDataset(row: Selectable<DatasetTable>): Dataset {
  return {
    id: fromBytes(row.id),
    name: fromBytes(row.name),
    userId: fromBytes(row.user_id),
    ...(row.workspace_id === null ? {} : { workspaceId: fromBytes(row.workspace_id) }),
    description: row.description,
    tags: parseTexts(row.tags, 'datasets.tags'),
    version: row.version,
    size: row.size,
    fileCount: row.file_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

export function toDraft(row: Selectable<DraftTable>): Draft {
  return {
    id: fromBytes(row.id),
    datasetId: fromBytes(row.dataset_id),
    sourceId: fromBytes(row.source_id),
    path: fromBytes(row.path),
    baseVersion: row.base_version,
    author: fromBytes(row.author),
    status: row.status as Draft['status'],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

export function toDraftFile(row: Selectable<DraftFileTable>): DraftFile {
  return {
    path: fromBytes(row.path),
    key: fromBytes(row.key),
    size: row.size,
    digest: row.digest,
    ...(row.content_type === null ? {} : { contentType: row.content_type }),
    ...(row.fingerprint === null ? {} : { fingerprint: row.fingerprint }),
  }
}

export function toVersion(row: Selectable<VersionTable>): DatasetVersion {
  return {
    datasetId: fromBytes(row.dataset_id),
    number: row.number,
    manifest: row.manifest,
    parents: parseNumbers(row.parents, 'versions.parents'),
    author: fromBytes(row.author),
    message: row.message,
    size: row.size,
    fileCount: row.file_count,
    createdAt: row.created_at,
  }
}

export function toReplica(row: Selectable<ReplicaTable>): DatasetReplica {
  return {
    datasetId: fromBytes(row.dataset_id),
    version: row.version,
    sourceId: fromBytes(row.source_id),
    path: fromBytes(row.path),
    size: row.size,
    status: row.status as ReplicaStatus,
    isPrimary: row.is_primary === 1,
    ...(row.last_sync_at === null ? {} : { lastSyncAt: row.last_sync_at }),
    ...(row.error_message === null ? {} : { errorMessage: row.error_message }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

export function toDamage(row: Selectable<DamageTable>): Damage {
  return {
    datasetId: fromBytes(row.dataset_id),
    sourceId: fromBytes(row.source_id),
    key: fromBytes(row.key),
    kind: row.kind as Damage['kind'],
    blocks: parseNumbers(row.blocks, 'damage.blocks'),
    message: row.message,
    foundAt: row.found_at,
    found: row.found,
  }
}

export function toOutboxEntry(row: Selectable<OutboxTable>): OutboxEntry {
  return {
    id: row.id,
    kind: row.kind as OutboxEntry['kind'],
    datasetId: fromBytes(row.dataset_id),
    version: row.version,
    createdAt: row.created_at,
    attempts: row.attempts,
  }
}
