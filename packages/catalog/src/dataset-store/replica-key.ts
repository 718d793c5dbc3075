import type { ReplicaName } from '@stowage/core'
import type { JoinBuilder } from 'kysely'
import { type CatalogSchema, toBytes } from '../database/index.ts'

/** What names a replica in every table that tells of replicas. */
export interface ReplicaKey {
  dataset_id: Uint8Array
  version: number
  source_id: Uint8Array
}

/** The columns of the key. */
export const replicaKey = ['dataset_id', 'version', 'source_id'] as const

/** The key of a replica. */
export function keyOf({ datasetId, version, sourceId }: ReplicaName): ReplicaKey {
  return { dataset_id: toBytes(datasetId, 'datasetId'), version, source_id: toBytes(sourceId, 'sourceId') }
}

/** The key of a row alone, without what else is in the row. */
export function keyIn({ dataset_id, version, source_id }: ReplicaKey): ReplicaKey {
  return { dataset_id, version, source_id }
}

type Joined = JoinBuilder<CatalogSchema, 'replicas' | 'removals' | 'replica_uses'>

/** Joins replicas to what another table tells of the same ones. */
export function sameReplica(table: 'removals' | 'replica_uses'): (join: Joined) => Joined {
  return (join) =>
    replicaKey.reduce((joined, column) => joined.onRef(`${table}.${column}`, '=', `replicas.${column}`), join)
}
