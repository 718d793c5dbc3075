import type { ReplicaName, ReplicaUse } from '@stowage/core'
import { sql } from 'kysely'
import { type Context, inTransaction, toBytes } from '../database/index.ts'
import { keyOf, replicaKey, sameReplica } from './replica-key.ts'
import { existing, lockReplica } from './replicas.ts'
import { toReplica } from './rows.ts'

export async function noteReads(context: Context, reads: readonly (ReplicaName & { at: number })[]): Promise<void> {
  // In one order, so that two processes never wait for each other.
  const sorted = reads
    .map((read) => ({ ...keyOf(read), used_at: read.at }))
    .sort(
      (a, b) =>
        Buffer.compare(a.dataset_id, b.dataset_id) || a.version - b.version || Buffer.compare(a.source_id, b.source_id),
    )
  if (sorted.length === 0) return
  await inTransaction(context, async ({ db }) => {
    for (const { used_at, ...key } of sorted) {
      await db
        .insertInto('replica_uses')
        .columns([...replicaKey, 'used_at', 'held_until'])
        .expression(
          db
            .selectFrom('replicas')
            .select([...replicaKey, sql.lit(used_at).as('used_at'), sql.lit(0).as('held_until')])
            .where(({ and }) => and(key)),
        )
        .onConflict((conflict) =>
          conflict.columns(replicaKey).doUpdateSet({ used_at }).where('replica_uses.used_at', '<', used_at),
        )
        .execute()
    }
  })
}

export async function holdReplica(context: Context, replica: ReplicaName, until: number): Promise<boolean> {
  return inTransaction(context, async (inner) => {
    await lockReplica(inner, replica)
    const { status } = await existing(inner, replica)
    if (status !== 'ready') return false
    const now = inner.clock.now()
    const held_until = Math.ceil(until)
    await inner.db
      .insertInto('replica_uses')
      .values({ ...keyOf(replica), used_at: now, held_until })
      .onConflict((conflict) =>
        conflict.columns(replicaKey).doUpdateSet({ held_until }).where('replica_uses.held_until', '<', held_until),
      )
      .execute()
    return true
  })
}

export async function listUses(
  { db }: Context,
  sourceId: string,
  { after, limit }: { after?: ReplicaUse; limit?: number } = {},
): Promise<ReplicaUse[]> {
  const written = sql<number>`coalesce(replicas.last_sync_at, replicas.created_at)`
  const used = sql<number>`case when replica_uses.used_at > ${written} then replica_uses.used_at else ${written} end`
  let query = db
    .selectFrom('replicas')
    .leftJoin('replica_uses', sameReplica('replica_uses'))
    .selectAll('replicas')
    .select([used.as('used'), 'replica_uses.held_until'])
    .where('replicas.source_id', '=', toBytes(sourceId, 'sourceId'))
    .orderBy(used)
    .orderBy('replicas.dataset_id')
    .orderBy('replicas.version')
  if (after !== undefined) {
    const { dataset_id, version } = keyOf(after)
    query = query.where((eb) =>
      eb.or([
        eb(used, '>', after.usedAt),
        eb.and([eb(used, '=', after.usedAt), eb('replicas.dataset_id', '>', dataset_id)]),
        eb.and([
          eb(used, '=', after.usedAt),
          eb('replicas.dataset_id', '=', dataset_id),
          eb('replicas.version', '>', version),
        ]),
      ]),
    )
  }
  if (limit !== undefined) query = query.limit(Math.max(0, limit))
  const rows = await query.execute()
  return rows.map((row) => ({ ...toReplica(row), usedAt: row.used, heldUntil: row.held_until ?? 0 }))
}
