import { type DatasetReplica, hasCode, type ReplicaName, type ReplicaStatus, StowageError } from '@stowage/core'
import type { Selectable } from 'kysely'
import { type Context, inTransaction, locked, type ReplicaTable, toBytes } from '../database/index.ts'
import { forgetDamage, lockDataset } from './damage.ts'
import { keyIn, keyOf, sameReplica } from './replica-key.ts'
import { toReplica } from './rows.ts'

export async function addReplica(
  context: Context,
  replica: ReplicaName & Pick<DatasetReplica, 'path' | 'size'>,
): Promise<DatasetReplica> {
  return inTransaction(context, async (inner) => {
    await lockReplica(inner, replica)
    const there = await find(inner, replica)
    if (there !== undefined) return toReplica(there)
    if (await isClearing(inner, replica)) {
      const place = `"${replica.sourceId}:${replica.path}"`
      throw new StowageError('lease-held', `Another version's files are being removed from ${place}.`, {
        sourceId: replica.sourceId,
        hint: 'Try again in a minute.',
      })
    }
    const now = inner.clock.now()
    const row = await inner.db
      .insertInto('replicas')
      .values({
        ...keyOf(replica),
        path: toBytes(replica.path, 'path'),
        size: replica.size,
        status: 'syncing',
        is_primary: 0,
        last_sync_at: null,
        error_message: null,
        created_at: now,
        updated_at: now,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
    return toReplica(row)
  })
}

export async function setReplicaStatus(
  context: Context,
  replica: ReplicaName,
  status: Exclude<ReplicaStatus, 'deleting'>,
  errorMessage?: string,
): Promise<DatasetReplica> {
  return inTransaction(context, async (inner) => {
    await lockVersion(inner, replica)
    const row = await existing(inner, replica)
    if (row.status === 'deleting')
      throw new StowageError('conflict', `The replica of ${name(replica)} is being deleted.`)
    const now = inner.clock.now()
    return update(inner, row.seq, {
      status,
      error_message: status === 'error' ? (errorMessage ?? null) : null,
      updated_at: now,
      ...(status === 'ready' ? { last_sync_at: now } : {}),
    })
  })
}

export async function removeReplica(context: Context, replica: ReplicaName): Promise<void> {
  await inTransaction(context, async (inner) => {
    const row = await find(inner, replica)
    // Gone already: an earlier call did it and its answer was lost.
    if (row === undefined) return
    if (row.status !== 'deleting')
      throw new StowageError('conflict', `The replica of ${name(replica)} was not marked for deletion.`)
    await inner.db.deleteFrom('replicas').where('seq', '=', row.seq).execute()
    for (const table of ['removals', 'replica_uses'] as const) {
      await inner.db
        .deleteFrom(table)
        .where(({ and }) => and(keyIn(row)))
        .execute()
    }
    const left = await inner.db
      .selectFrom('replicas')
      .select('seq')
      .where('dataset_id', '=', row.dataset_id)
      .where('source_id', '=', row.source_id)
      .limit(1)
      .executeTakeFirst()
    if (left === undefined) await forgetDamage(inner, row.dataset_id, row.source_id)
  })
}

export async function listReplicas({ db }: Context, datasetId: string, version?: number): Promise<DatasetReplica[]> {
  let query = db
    .selectFrom('replicas')
    .selectAll()
    .where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .orderBy('is_primary', 'desc')
    .orderBy('version', 'desc')
    .orderBy('seq')
  if (version !== undefined) query = query.where('version', '=', version)
  return (await query.execute()).map(toReplica)
}

/**
 * Whoever marks a replica of this version, or finds another one damaged, waits here: so two markers never count each other's replica as ready,
 * and nobody counts one that is bad.
 */
export async function lockReplica(context: Context, replica: ReplicaName): Promise<void> {
  try {
    await lockDataset(context, replica.datasetId)
  } catch (error) {
    throw hasCode(error, 'not-found') ? missing(replica) : error
  }
  await lockVersion(context, replica)
}

/** Whether bytes of a version go from a place just now. */
async function isClearing(
  { db }: Context,
  { datasetId, sourceId, path }: ReplicaName & { path: string },
): Promise<boolean> {
  const row = await db
    .selectFrom('removals')
    .innerJoin('replicas', sameReplica('removals'))
    .select('removals.version')
    .where('removals.dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .where('removals.source_id', '=', toBytes(sourceId, 'sourceId'))
    .where('removals.begun', '=', 1)
    .where('replicas.path', '=', toBytes(path, 'path'))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Changes to the replicas of one version come one after the other. */
async function lockVersion({ db, dialect }: Context, replica: ReplicaName): Promise<void> {
  const query = db
    .selectFrom('versions')
    .select('number')
    .where('dataset_id', '=', toBytes(replica.datasetId, 'datasetId'))
    .where('number', '=', replica.version)
  if ((await locked(query, dialect).executeTakeFirst()) === undefined) throw missing(replica)
}

async function find({ db }: Context, replica: ReplicaName): Promise<Selectable<ReplicaTable> | undefined> {
  return db
    .selectFrom('replicas')
    .selectAll()
    .where(({ and }) => and(keyOf(replica)))
    .executeTakeFirst()
}

export async function existing(context: Context, replica: ReplicaName): Promise<Selectable<ReplicaTable>> {
  const row = await find(context, replica)
  if (row === undefined) throw missing(replica)
  return row
}

export async function update(
  { db }: Context,
  seq: number,
  values: Partial<Selectable<ReplicaTable>>,
): Promise<DatasetReplica> {
  const row = await db
    .updateTable('replicas')
    .set(values)
    .where('seq', '=', seq)
    .returningAll()
    .executeTakeFirstOrThrow()
  return toReplica(row)
}

export function name(replica: ReplicaName): string {
  return `version ${replica.version} of dataset ${JSON.stringify(replica.datasetId)} on "${replica.sourceId}"`
}

function missing(replica: ReplicaName): StowageError {
  return new StowageError('not-found', `There is no replica or version: ${name(replica)}.`, {
    sourceId: replica.sourceId,
  })
}
