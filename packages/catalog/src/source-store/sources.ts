import {
  checkNewSource,
  checkSourceChanges,
  type NewSource,
  type SourceChanges,
  type StoredSource,
  StowageError,
} from '@stowage/core'
import type { Updateable } from 'kysely'
import { type Context, inTransaction, nextCount, type SourceTable, toBytes } from '../database/index.ts'
import { type SourceRow, selectSources, toSource } from './rows.ts'
import { putCredentials } from './slots.ts'

/** Counts changes of sources. A source's revision is the count of its last change. */
export const CHANGES = 'source-change'

export async function add(context: Context, source: NewSource): Promise<StoredSource> {
  checkNewSource(source)
  const id = toBytes(source.id, 'id')
  return inTransaction(context, async (inner) => {
    const now = inner.clock.now()
    const change = await nextCount(inner.db, CHANGES)
    const { numInsertedOrUpdatedRows } = await inner.db
      .insertInto('sources')
      .values({
        id,
        name: toBytes(source.name ?? source.id, 'name'),
        type: source.type,
        endpoint: source.endpoint ?? null,
        bucket: source.bucket === undefined ? null : toBytes(source.bucket, 'bucket'),
        region: source.region ?? null,
        is_public: Number(source.isPublic ?? source.type === 'oss'),
        priority: source.priority ?? 100,
        weight: source.weight ?? 1,
        enabled: Number(source.enabled ?? true),
        options: JSON.stringify(source.options ?? {}),
        last_health_check_at: null,
        change,
        created_at: now,
        updated_at: now,
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst()
    if (numInsertedOrUpdatedRows !== 1n) {
      throw new StowageError('conflict', `There is already a source "${source.id}".`, {
        sourceId: source.id,
        field: 'id',
        hint: 'Choose another id, or change that source.',
      })
    }
    await inner.db.deleteFrom('removed_sources').where('id', '=', id).execute()
    if (source.credentials !== undefined) await putCredentials(inner, id, 'current', source.credentials)
    return toSource(await existing(inner, source.id))
  })
}

export async function get(context: Context, id: string): Promise<StoredSource | undefined> {
  const row = await find(context, id)
  return row === undefined ? undefined : toSource(row)
}

export async function list(context: Context): Promise<StoredSource[]> {
  return (await selectSources(context).orderBy('sources.id').execute()).map(toSource)
}

export async function update(
  context: Context,
  id: string,
  changes: SourceChanges,
  expected: string,
): Promise<StoredSource> {
  checkSourceChanges(changes)
  return inTransaction(context, async (inner) => {
    const { id: key } = await current(inner, id, expected)
    await set(inner, key, columns(changes))
    if (changes.credentials !== undefined) await putCredentials(inner, key, 'current', changes.credentials)
    if (changes.nextCredentials !== undefined) await putCredentials(inner, key, 'next', changes.nextCredentials)
    return toSource(await existing(inner, id))
  })
}

export async function setEnabled(context: Context, id: string, enabled: boolean): Promise<StoredSource> {
  return inTransaction(context, async (inner) => {
    const row = await existing(inner, id)
    if ((row.enabled === 1) === enabled) return toSource(row)
    await set(inner, row.id, { enabled: Number(enabled) })
    return toSource(await existing(inner, id))
  })
}

export async function setHealthChecked({ db }: Context, id: string, at: number): Promise<void> {
  await db
    .updateTable('sources')
    .set({ last_health_check_at: at })
    .where('id', '=', toBytes(id, 'id'))
    .where((eb) => eb.or([eb('last_health_check_at', 'is', null), eb('last_health_check_at', '<', at)]))
    .execute()
}

/** Writes columns of a source together with a new revision. */
export async function set({ db, clock }: Context, id: Uint8Array, values: Updateable<SourceTable>): Promise<void> {
  const change = await nextCount(db, CHANGES)
  await db
    .updateTable('sources')
    .set({ ...values, change, updated_at: clock.now() })
    .where('id', '=', id)
    .execute()
}

/** The row of a source, locked until the transaction ends. @throws StowageError `not-found`, or `conflict` when its revision is another one */
export async function current(context: Context, id: string, expected: string): Promise<SourceRow> {
  const row = await existing(context, id)
  if (String(row.change) === expected) return row
  throw new StowageError('conflict', `The source "${id}" was changed by somebody else.`, {
    sourceId: id,
    hint: 'Read it again, and decide anew.',
  })
}

/** The row of a source, locked when this is a transaction. @throws StowageError `not-found` */
export async function existing(context: Context, id: string): Promise<SourceRow> {
  const row = await find(context, id, true)
  if (row !== undefined) return row
  throw new StowageError('not-found', `There is no source "${id}".`, { sourceId: id })
}

export async function find(context: Context, id: string, lock = false): Promise<SourceRow | undefined> {
  const query = selectSources(context).where('sources.id', '=', toBytes(id, 'id'))
  return (lock && context.dialect.rowLocks ? query.forUpdate() : query).executeTakeFirst()
}

function columns(changes: SourceChanges): Updateable<SourceTable> {
  const { name, endpoint, bucket, region, isPublic, priority, weight, enabled, options } = changes
  return {
    ...(name === undefined ? {} : { name: toBytes(name, 'name') }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(bucket === undefined ? {} : { bucket: bucket === null ? null : toBytes(bucket, 'bucket') }),
    ...(region === undefined ? {} : { region }),
    ...(isPublic === undefined ? {} : { is_public: Number(isPublic) }),
    ...(priority === undefined ? {} : { priority }),
    ...(weight === undefined ? {} : { weight }),
    ...(enabled === undefined ? {} : { enabled: Number(enabled) }),
    ...(options === undefined ? {} : { options: JSON.stringify(options) }),
  }
}
