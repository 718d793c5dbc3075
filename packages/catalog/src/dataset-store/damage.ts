import { type Damage, StowageError } from '@stowage/core'
import { type Context, inTransaction, locked, toBytes } from '../database/index.ts'
import { toDamage } from './rows.ts'

type DamageId = Pick<Damage, 'datasetId' | 'sourceId' | 'key'>

/** Bad blocks that are kept of one object: enough to say where it is bad, whatever its size. */
const MAX_BLOCKS = 1000

export async function addDamage(context: Context, damage: Omit<Damage, 'foundAt' | 'found'>): Promise<Damage> {
  return inTransaction(context, async (inner) => {
    await lockDataset(inner, damage.datasetId)
    const { kind, message } = damage
    const blocks = JSON.stringify(damage.blocks.slice(0, MAX_BLOCKS))
    const row = await inner.db
      .insertInto('damage')
      .values({ ...columns(damage), kind, blocks, message, found_at: inner.clock.now(), found: 1 })
      .onConflict((conflict) =>
        conflict
          .columns(['dataset_id', 'source_id', 'key'])
          .doUpdateSet((eb) => ({ kind, blocks, message, found: eb('damage.found', '+', 1) })),
      )
      .returningAll()
      .executeTakeFirstOrThrow()
    return toDamage(row)
  })
}

export async function listDamage(
  { db }: Context,
  options: { datasetId?: string; sourceId?: string; after?: DamageId; limit?: number } = {},
): Promise<Damage[]> {
  let query = db.selectFrom('damage').selectAll().orderBy('dataset_id').orderBy('source_id').orderBy('key')
  if (options.datasetId !== undefined) query = query.where('dataset_id', '=', toBytes(options.datasetId, 'datasetId'))
  if (options.sourceId !== undefined) query = query.where('source_id', '=', toBytes(options.sourceId, 'sourceId'))
  if (options.after !== undefined) {
    const { dataset_id, source_id, key } = columns(options.after)
    query = query.where((eb) =>
      eb.or([
        eb('dataset_id', '>', dataset_id),
        eb.and([eb('dataset_id', '=', dataset_id), eb('source_id', '>', source_id)]),
        eb.and([eb('dataset_id', '=', dataset_id), eb('source_id', '=', source_id), eb('key', '>', key)]),
      ]),
    )
  }
  if (options.limit !== undefined) query = query.limit(Math.max(0, options.limit))
  return (await query.execute()).map(toDamage)
}

export async function clearDamage({ db }: Context, damage: DamageId & Pick<Damage, 'found'>): Promise<boolean> {
  const { dataset_id, source_id, key } = columns(damage)
  const here = db
    .deleteFrom('damage')
    .where('dataset_id', '=', dataset_id)
    .where('source_id', '=', source_id)
    .where('key', '=', key)
  await here.where('found', '<=', damage.found).execute()
  const left = await db
    .selectFrom('damage')
    .select('found')
    .where('dataset_id', '=', dataset_id)
    .where('source_id', '=', source_id)
    .where('key', '=', key)
    .executeTakeFirst()
  return left === undefined
}

/** Nothing of a dataset is on a source any more: what was damaged there is no matter. */
export async function forgetDamage({ db }: Context, datasetId: Uint8Array, sourceId: Uint8Array): Promise<void> {
  await db.deleteFrom('damage').where('dataset_id', '=', datasetId).where('source_id', '=', sourceId).execute()
}

/** Whoever finds damage and whoever marks a replica for deletion come one after the other. */
export async function lockDataset({ db, dialect }: Context, datasetId: string): Promise<void> {
  const query = db.selectFrom('datasets').select('seq').where('id', '=', toBytes(datasetId, 'datasetId'))
  if ((await locked(query, dialect).executeTakeFirst()) === undefined) {
    throw new StowageError('not-found', `There is no dataset ${JSON.stringify(datasetId)}.`)
  }
}

function columns(damage: DamageId): { dataset_id: Uint8Array; source_id: Uint8Array; key: Uint8Array } {
  return {
    dataset_id: toBytes(damage.datasetId, 'datasetId'),
    source_id: toBytes(damage.sourceId, 'sourceId'),
    key: toBytes(damage.key, 'key'),
  }
}
