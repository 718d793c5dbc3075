import {
  type CredentialSlot,
  checkSealed,
  type DataKeyRow,
  type SealedCredentials,
  type StoredSource,
  StowageError,
} from '@stowage/core'
import { type Context, fromBytes, inTransaction, toBytes } from '../database/index.ts'
import { toSealed, toSource } from './rows.ts'
import { putCredentials } from './slots.ts'
import { current, existing, find, set } from './sources.ts'

export async function getCredentials(context: Context, id: string): Promise<SealedCredentials | undefined> {
  const rows = await context.db
    .selectFrom('source_credentials')
    .selectAll()
    .where('source_id', '=', toBytes(id, 'id'))
    .execute()
  if (rows.length === 0 && (await find(context, id)) === undefined) return undefined
  return Object.fromEntries(rows.map((row) => [row.slot, toSealed(row)]))
}

export async function promoteCredentials(context: Context, id: string, expected: string): Promise<StoredSource> {
  return inTransaction(context, async (inner) => {
    const row = await current(inner, id, expected)
    if (row.next_slot === null) {
      throw new StowageError('invalid-request', `The source "${id}" has no next credentials.`, {
        sourceId: id,
        field: 'nextCredentials',
        hint: 'Set them first.',
      })
    }
    await putCredentials(inner, row.id, 'current', null)
    await inner.db
      .updateTable('source_credentials')
      .set({ slot: 'current' })
      .where('source_id', '=', row.id)
      .where('slot', '=', 'next')
      .execute()
    await set(inner, row.id, {})
    return toSource(await existing(inner, id))
  })
}

export async function listDataKeys(
  { db }: Context,
  { after, limit }: { after?: Pick<DataKeyRow, 'sourceId' | 'slot'>; limit: number },
): Promise<DataKeyRow[]> {
  let query = db
    .selectFrom('source_credentials')
    .select(['source_id', 'slot', 'data_key'])
    .orderBy('source_id')
    .orderBy('slot')
    .limit(Math.max(0, limit))
  if (after !== undefined) {
    const id = toBytes(after.sourceId, 'after')
    query = query.where((eb) =>
      eb.or([eb('source_id', '>', id), eb.and([eb('source_id', '=', id), eb('slot', '>', after.slot)])]),
    )
  }
  const rows = await query.execute()
  return rows.map((row) => ({
    sourceId: fromBytes(row.source_id),
    slot: row.slot as CredentialSlot,
    dataKey: row.data_key,
  }))
}

export async function swapDataKey({ db }: Context, row: DataKeyRow, dataKey: Uint8Array): Promise<boolean> {
  checkSealed({ dataKey, fields: {} })
  const { numUpdatedRows } = await db
    .updateTable('source_credentials')
    .set({ data_key: dataKey })
    .where('source_id', '=', toBytes(row.sourceId, 'sourceId'))
    .where('slot', '=', row.slot)
    .where('data_key', '=', row.dataKey)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}
