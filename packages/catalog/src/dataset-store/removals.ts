import {
  type CopiesWanted,
  type DatasetReplica,
  type MarkOptions,
  type Removal,
  type ReplicaName,
  StowageError,
} from '@stowage/core'
import type { Selectable } from 'kysely'
import {
  type Context,
  fromBytes,
  inTransaction,
  type RemovalTable,
  type ReplicaTable,
  toBytes,
} from '../database/index.ts'
import { isPinned } from './pins.ts'
import { keyIn, keyOf, replicaKey, sameReplica } from './replica-key.ts'
import { existing, lockReplica, name, update } from './replicas.ts'
import { toReplica } from './rows.ts'

export async function markReplicaDeleting(
  context: Context,
  replica: ReplicaName,
  options: MarkOptions = {},
): Promise<DatasetReplica> {
  const { graceMs = 0, unlessPinned = false } = options
  return inTransaction(context, async (inner) => {
    await lockReplica(inner, replica)
    const row = await existing(inner, replica)
    if (row.status === 'deleting') return toReplica(row)
    if (options.status !== undefined && row.status !== options.status) {
      throw new StowageError('conflict', `The replica of ${name(replica)} is ${row.status} by now.`, {
        sourceId: replica.sourceId,
      })
    }
    if (unlessPinned && (await isPinned(inner, row))) {
      throw new StowageError('unsafe', `The replica of ${name(replica)} is pinned.`, { sourceId: replica.sourceId })
    }
    await refuseBase(inner, row, replica)
    if (!(await hasCopies(inner, row, options))) throw notEnough(replica, options)
    const now = inner.clock.now()
    await inner.db
      .insertInto('removals')
      .values({
        ...keyOf(replica),
        marked_at: now,
        not_before: now + graceMs,
        begun: 0,
        unless_pinned: unlessPinned ? 1 : 0,
        status_before: row.status,
      })
      .execute()
    return update(inner, row.seq, { status: 'deleting', error_message: null, updated_at: now })
  })
}

export async function beginRemoval(
  context: Context,
  replica: ReplicaName,
  wanted: CopiesWanted = {},
): Promise<'begun' | 'waiting' | 'kept'> {
  return inTransaction(context, async (inner) => {
    await lockReplica(inner, replica)
    const row = await existing(inner, replica)
    if (row.status !== 'deleting') {
      throw new StowageError('conflict', `The replica of ${name(replica)} was not marked for deletion.`)
    }
    const removal = await removalOf(inner, row)
    if (removal?.begun === 1) return 'begun'
    const now = inner.clock.now()
    if ((removal?.not_before ?? 0) > now || (await heldUntil(inner, row)) > now) return 'waiting'
    const isWanted = removal?.unless_pinned === 1 && (await isPinned(inner, row))
    if (isWanted || !(await hasCopies(inner, row, wanted))) {
      await restore(inner, row, removal)
      return 'kept'
    }
    const begun = { marked_at: row.updated_at, not_before: 0, unless_pinned: 0, status_before: 'ready', begun: 1 }
    await inner.db
      .insertInto('removals')
      .values({ ...keyOf(replica), ...begun })
      .onConflict((conflict) => conflict.columns(replicaKey).doUpdateSet({ begun: 1 }))
      .execute()
    return 'begun'
  })
}

export async function keepReplica(context: Context, replica: ReplicaName): Promise<DatasetReplica> {
  return inTransaction(context, async (inner) => {
    await lockReplica(inner, replica)
    const row = await existing(inner, replica)
    if (row.status !== 'deleting') return toReplica(row)
    const removal = await removalOf(inner, row)
    if (removal?.begun === 1) {
      throw new StowageError('lease-held', `The bytes of ${name(replica)} are being removed.`, {
        sourceId: replica.sourceId,
        hint: 'When they are gone it can be brought there again.',
      })
    }
    return restore(inner, row, removal)
  })
}

export async function listRemovals(
  { db }: Context,
  { sourceId, after, limit }: { sourceId?: string; after?: ReplicaName; limit?: number } = {},
): Promise<Removal[]> {
  let query = db
    .selectFrom('replicas')
    .leftJoin('removals', sameReplica('removals'))
    .select(['replicas.dataset_id', 'replicas.version', 'replicas.source_id', 'replicas.path', 'replicas.updated_at'])
    .select(['removals.marked_at', 'removals.not_before', 'removals.begun'])
    .where('replicas.status', '=', 'deleting')
    .orderBy('replicas.dataset_id')
    .orderBy('replicas.version')
    .orderBy('replicas.source_id')
  if (sourceId !== undefined) query = query.where('replicas.source_id', '=', toBytes(sourceId, 'sourceId'))
  if (after !== undefined) {
    const { dataset_id, version, source_id } = keyOf(after)
    query = query.where((eb) =>
      eb.or([
        eb('replicas.dataset_id', '>', dataset_id),
        eb.and([eb('replicas.dataset_id', '=', dataset_id), eb('replicas.version', '>', version)]),
        eb.and([
          eb('replicas.dataset_id', '=', dataset_id),
          eb('replicas.version', '=', version),
          eb('replicas.source_id', '>', source_id),
        ]),
      ]),
    )
  }
  if (limit !== undefined) query = query.limit(Math.max(0, limit))
  return (await query.execute()).map((row) => ({
    datasetId: fromBytes(row.dataset_id),
    version: row.version,
    sourceId: fromBytes(row.source_id),
    path: fromBytes(row.path),
    markedAt: row.marked_at ?? row.updated_at,
    notBefore: row.not_before ?? row.updated_at,
    begun: row.begun === 1,
  }))
}

/** Whether enough of the other replicas of a version are ready and whole. */
async function hasCopies(
  { db }: Context,
  row: Selectable<ReplicaTable>,
  { minimumCopies = 1, among }: CopiesWanted,
): Promise<boolean> {
  if (among !== undefined && among.length === 0) return false
  let query = db
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
  if (among !== undefined) {
    query = query.where(
      'source_id',
      'in',
      among.map((id) => toBytes(id, 'among')),
    )
  }
  const { count } = await query.executeTakeFirstOrThrow()
  return Number(count) >= Math.max(1, minimumCopies)
}

/** Files of the base stay in the version that an open draft becomes, and lie where the base lies. */
async function refuseBase({ db }: Context, row: Selectable<ReplicaTable>, replica: ReplicaName): Promise<void> {
  const draft = await db
    .selectFrom('drafts')
    .select('id')
    .where('dataset_id', '=', row.dataset_id)
    .where('status', '=', 'open')
    .where('source_id', '=', row.source_id)
    .where('base_version', '=', row.version)
    .limit(1)
    .executeTakeFirst()
  if (draft === undefined) return
  throw new StowageError(
    'conflict',
    `The replica of ${name(replica)} is kept: draft ${fromBytes(draft.id)} follows it.`,
    {
      sourceId: replica.sourceId,
      hint: 'Publish or discard the draft first.',
    },
  )
}

async function removalOf(
  { db }: Context,
  row: Selectable<ReplicaTable>,
): Promise<Selectable<RemovalTable> | undefined> {
  return db
    .selectFrom('removals')
    .selectAll()
    .where(({ and }) => and(keyIn(row)))
    .executeTakeFirst()
}

async function heldUntil({ db }: Context, row: Selectable<ReplicaTable>): Promise<number> {
  const use = await db
    .selectFrom('replica_uses')
    .select('held_until')
    .where(({ and }) => and(keyIn(row)))
    .executeTakeFirst()
  return use?.held_until ?? 0
}

/** All bytes are there still, so it is again what it was. */
async function restore(
  context: Context,
  row: Selectable<ReplicaTable>,
  removal: Selectable<RemovalTable> | undefined,
): Promise<DatasetReplica> {
  await context.db
    .deleteFrom('removals')
    .where(({ and }) => and(keyIn(row)))
    .execute()
  // Of one that was marked before removals were noted it is not known how much is left: a run of its replication finds out.
  const status = removal?.status_before ?? 'error'
  return update(context, row.seq, { status, updated_at: context.clock.now() })
}

function notEnough(replica: ReplicaName, { minimumCopies = 1 }: CopiesWanted): StowageError {
  const message =
    minimumCopies <= 1
      ? `No other replica of ${name(replica)} is ready and whole, so this one is kept.`
      : `Fewer than ${minimumCopies} other replicas of ${name(replica)} are ready and whole, so this one is kept.`
  return new StowageError('unsafe', message, {
    sourceId: replica.sourceId,
    hint: 'Bring another replica up first, or mend one: stowage verify DATASET --repair.',
  })
}
