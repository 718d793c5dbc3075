import type { Pin } from '@stowage/core'
import type { Selectable } from 'kysely'
import { type Context, fromBytes, inTransaction, type PinTable, toBytes } from '../database/index.ts'
import { lockDataset } from './damage.ts'
import type { ReplicaKey } from './replica-key.ts'

export async function pin(context: Context, wanted: Omit<Pin, 'createdAt'>): Promise<Pin> {
  return inTransaction(context, async (inner) => {
    // Whoever marks a replica for deletion comes before or after.
    await lockDataset(inner, wanted.datasetId)
    const key = keyOfPin(wanted)
    const row = { ...key, pinned_by: toBytes(wanted.pinnedBy, 'pinnedBy'), created_at: inner.clock.now() }
    await inner.db
      .insertInto('pins')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const there = await inner.db
      .selectFrom('pins')
      .selectAll()
      .where(({ and }) => and(key))
      .executeTakeFirstOrThrow()
    return toPin(there)
  })
}

export async function unpin(
  { db }: Context,
  unwanted: Pick<Pin, 'datasetId' | 'version' | 'sourceId'>,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('pins')
    .where(({ and }) => and(keyOfPin(unwanted)))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

export async function listPins({ db }: Context, datasetId?: string): Promise<Pin[]> {
  let query = db
    .selectFrom('pins')
    .selectAll()
    .orderBy('dataset_id')
    .orderBy('created_at')
    .orderBy('version')
    .orderBy('source_id')
  if (datasetId !== undefined) query = query.where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
  return (await query.execute()).map(toPin)
}

/** Whether a pin holds a replica, whose columns these are. */
export async function isPinned({ db }: Context, { dataset_id, version, source_id }: ReplicaKey): Promise<boolean> {
  const row = await db
    .selectFrom('pins')
    .select('created_at')
    .where('dataset_id', '=', dataset_id)
    .where('version', 'in', [0, version])
    .where('source_id', 'in', [everywhere, source_id])
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

const everywhere: Uint8Array = Buffer.alloc(0)

function keyOfPin({ datasetId, version, sourceId }: Pick<Pin, 'datasetId' | 'version' | 'sourceId'>): ReplicaKey {
  return {
    dataset_id: toBytes(datasetId, 'datasetId'),
    version: version ?? 0,
    source_id: sourceId === undefined ? everywhere : toBytes(sourceId, 'sourceId'),
  }
}

function toPin(row: Selectable<PinTable>): Pin {
  return {
    datasetId: fromBytes(row.dataset_id),
    ...(row.version === 0 ? {} : { version: row.version }),
    ...(row.source_id.length === 0 ? {} : { sourceId: fromBytes(row.source_id) }),
    pinnedBy: fromBytes(row.pinned_by),
    createdAt: row.created_at,
  }
}
