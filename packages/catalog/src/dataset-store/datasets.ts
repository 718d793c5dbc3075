import { type Dataset, type NewDataset, StowageError } from '@stowage/core'
import type { Context } from '../database/index.ts'
import { toBytes } from '../database/index.ts'
import { toDataset } from './rows.ts'

/** Names are unique within a workspace, or within a user's own datasets. */
function ownerOf(dataset: NewDataset): string {
  return dataset.workspaceId === undefined ? `user/${dataset.userId}` : `workspace/${dataset.workspaceId}`
}

export async function createDataset({ db, clock }: Context, dataset: NewDataset): Promise<Dataset> {
  const now = clock.now()
  const row = await db
    .insertInto('datasets')
    .values({
      id: toBytes(dataset.id, 'id'),
      owner: toBytes(ownerOf(dataset), 'userId'),
      name: toBytes(dataset.name, 'name'),
      user_id: toBytes(dataset.userId, 'userId'),
      workspace_id: dataset.workspaceId === undefined ? null : toBytes(dataset.workspaceId, 'workspaceId'),
      description: dataset.description ?? '',
      tags: JSON.stringify(dataset.tags ?? []),
      version: 0,
      size: 0,
      file_count: 0,
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst()
  if (row !== undefined) return toDataset(row)
  const place = dataset.workspaceId === undefined ? 'user' : 'workspace'
  throw new StowageError('conflict', `The ${place} already has a dataset ${JSON.stringify(dataset.name)}.`, {
    field: 'name',
    hint: 'Choose another name, or upload a new version of that dataset.',
  })
}

export async function getDataset({ db }: Context, id: string): Promise<Dataset | undefined> {
  const row = await db.selectFrom('datasets').selectAll().where('id', '=', toBytes(id, 'id')).executeTakeFirst()
  return row === undefined ? undefined : toDataset(row)
}

export async function findDatasets({ db }: Context, name: string): Promise<Dataset[]> {
  const rows = await db
    .selectFrom('datasets')
    .selectAll()
    .where('name', '=', toBytes(name, 'name'))
    .orderBy('seq')
    .execute()
  return rows.map(toDataset)
}

export async function listDatasets(
  { db }: Context,
  options: { userId?: string; workspaceId?: string; after?: string; limit?: number } = {},
): Promise<Dataset[]> {
  let query = db.selectFrom('datasets').selectAll().orderBy('seq', 'desc')
  if (options.userId !== undefined) query = query.where('user_id', '=', toBytes(options.userId, 'userId'))
  if (options.workspaceId !== undefined)
    query = query.where('workspace_id', '=', toBytes(options.workspaceId, 'workspaceId'))
  if (options.limit !== undefined) query = query.limit(Math.max(0, options.limit))
  if (options.after !== undefined) {
    const after = toBytes(options.after, 'after')
    query = query.where('seq', '<', (eb) => eb.selectFrom('datasets').select('seq').where('id', '=', after))
  }
  return (await query.execute()).map(toDataset)
}
