import { type DatasetReplica, hasCode, type ReplicaStatus, StowageError } from '@stowage/core'
import type { Selectable, SelectQueryBuilder } from 'kysely'
import {
  type CatalogSchema,
  type Context,
  inTransaction,
  locked,
  type ReplicaTable,
  toBytes,
} from '../database/index.ts'
import { forgetDamage, lockDataset } from './damage.ts'
import { toReplica } from './rows.ts'

/** What names a replica. */
export type ReplicaId = Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId'>

export async function addReplica(
  context: Context,
  replica: ReplicaId & Pick<DatasetReplica, 'path' | 'size'>,
): Promise<DatasetReplica> {
  return inTransaction(context, async (inner) => {
    await lockVersion(inner, replica)
    const there = await find(inner, replica)
    if (there !== undefined) return toReplica(there)
    const now = inner.clock.now()
    const row = await inner.db
      .insertInto('replicas')
      .values({
        dataset_id: toBytes(replica.datasetId, 'datasetId'),
        version: replica.version,
        source_id: toBytes(replica.sourceId, 'sourceId'),
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
  replica: ReplicaId,
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

export async function markReplicaDeleting(context: Context, replica: ReplicaId): Promise<DatasetReplica> {
  return inTransaction(context, async (inner) => {
    // Whoever marks a replica of this version, or finds another one damaged, waits here: so two markers never count each other's replica as
    // ready, and nobody counts one that is bad.
    await lockDatasetOf(inner, replica)
    await lockVersion(inner, replica)
    const row = await existing(inner, replica)
    if (row.status === 'deleting') return toReplica(row)
    const { count } = await inner.db
      .selectFrom('replicas')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('dataset_id', '=', row.dataset_id)
      .where('version', '=', row.version)
      .where('status', '=', 'ready')
      .where('seq', '!=', row.seq)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('damage')
              .select('damage.found')
              .whereRef('damage.dataset_id', '=', 'replicas.dataset_id')
              .whereRef('damage.source_id', '=', 'replicas.source_id'),
          ),
        ),
      )
      .executeTakeFirstOrThrow()
    if (Number(count) === 0) {
      throw new StowageError(
        'unsafe',
        `No other replica of ${name(replica)} is ready and whole, so this one is kept.`,
        {
          sourceId: replica.sourceId,
          hint: 'Bring another replica up first, or mend one: stowage verify DATASET --repair.',
        },
      )
    }
    return update(inner, row.seq, { status: 'deleting', error_message: null, updated_at: inner.clock.now() })
  })
}

export async function removeReplica(context: Context, replica: ReplicaId): Promise<void> {
  await inTransaction(context, async (inner) => {
    const row = await find(inner, replica)
    // Gone already: an earlier call did it and its answer was lost.
    if (row === undefined) return
    if (row.status !== 'deleting')
      throw new StowageError('conflict', `The replica of ${name(replica)} was not marked for deletion.`)
    await inner.db.deleteFrom('replicas').where('seq', '=', row.seq).execute()
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

async function lockDatasetOf(context: Context, replica: ReplicaId): Promise<void> {
  try {
    await lockDataset(context, replica.datasetId)
  } catch (error) {
    throw hasCode(error, 'not-found') ? missing(replica) : error
  }
}

/** Changes to the replicas of one version come one after the other. */
async function lockVersion({ db, dialect }: Context, replica: ReplicaId): Promise<void> {
  const query = db
    .selectFrom('versions')
    .select('number')
    .where('dataset_id', '=', toBytes(replica.datasetId, 'datasetId'))
    .where('number', '=', replica.version)
  if ((await locked(query, dialect).executeTakeFirst()) === undefined) throw missing(replica)
}

async function find({ db }: Context, replica: ReplicaId): Promise<Selectable<ReplicaTable> | undefined> {
  return byId(db.selectFrom('replicas').selectAll(), replica).executeTakeFirst()
}

async function existing(context: Context, replica: ReplicaId): Promise<Selectable<ReplicaTable>> {
  const row = await find(context, replica)
  if (row === undefined) throw missing(replica)
  return row
}

function byId<O>(
  query: SelectQueryBuilder<CatalogSchema, 'replicas', O>,
  replica: ReplicaId,
): SelectQueryBuilder<CatalogSchema, 'replicas', O> {
  return query
    .where('dataset_id', '=', toBytes(replica.datasetId, 'datasetId'))
    .where('version', '=', replica.version)
    .where('source_id', '=', toBytes(replica.sourceId, 'sourceId'))
}

async function update(
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

function name(replica: ReplicaId): string {
  return `version ${replica.version} of dataset ${JSON.stringify(replica.datasetId)} on "${replica.sourceId}"`
}

function missing(replica: ReplicaId): StowageError {
  return new StowageError('not-found', `There is no replica or version: ${name(replica)}.`, {
    sourceId: replica.sourceId,
  })
}
