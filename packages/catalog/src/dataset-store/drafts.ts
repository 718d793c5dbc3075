import { type Draft, type DraftFile, type NewDraft, StowageError } from '@stowage/core'
import { type Context, inTransaction, locked, toBytes } from '../database/index.ts'
import { lockDataset } from './damage.ts'
import { toDraft, toDraftFile } from './rows.ts'

/** Rows of one insert: far below SQLite's 32,766 parameters a statement. */
const BATCH = 500

export async function createDraft(context: Context, draft: NewDraft): Promise<Draft> {
  return inTransaction(context, async (inner) => {
    const { db, clock } = inner
    const datasetId = toBytes(draft.datasetId, 'datasetId')
    // Whoever marks the base for deletion comes before or after.
    await lockDataset(inner, draft.datasetId)
    await refuseLeavingBase(inner, draft)
    const now = clock.now()
    const row = await db
      .insertInto('drafts')
      .values({
        id: toBytes(draft.id, 'id'),
        dataset_id: datasetId,
        source_id: toBytes(draft.sourceId, 'sourceId'),
        path: toBytes(draft.path, 'path'),
        base_version: draft.baseVersion,
        author: toBytes(draft.author, 'author'),
        status: 'open',
        published_version: null,
        purged: 0,
        created_at: now,
        updated_at: now,
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (row === undefined) throw new StowageError('conflict', `There is already a draft ${JSON.stringify(draft.id)}.`)
    return toDraft(row)
  })
}

/** The files that stay lie at the replica of the base. */
async function refuseLeavingBase({ db }: Context, { datasetId, sourceId, baseVersion }: NewDraft): Promise<void> {
  if (baseVersion === 0) return
  const base = await db
    .selectFrom('replicas')
    .select('status')
    .where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .where('version', '=', baseVersion)
    .where('source_id', '=', toBytes(sourceId, 'sourceId'))
    .executeTakeFirst()
  if (base?.status !== 'deleting') return
  throw new StowageError('conflict', `Version ${baseVersion} is being removed from "${sourceId}".`, {
    sourceId,
    hint: 'Begin a draft on another source that holds it.',
  })
}

export async function getDraft({ db }: Context, id: string): Promise<Draft | undefined> {
  const row = await db.selectFrom('drafts').selectAll().where('id', '=', toBytes(id, 'id')).executeTakeFirst()
  return row === undefined ? undefined : toDraft(row)
}

export async function listDrafts({ db }: Context, datasetId: string): Promise<Draft[]> {
  const rows = await db
    .selectFrom('drafts')
    .selectAll()
    .where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .where('status', '=', 'open')
    .orderBy('seq')
    .execute()
  return rows.map(toDraft)
}

export async function countOpenDrafts({ db }: Context, datasetId: string): Promise<number> {
  const { count } = await db
    .selectFrom('drafts')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .where('status', '=', 'open')
    .executeTakeFirstOrThrow()
  return Number(count)
}

export async function putDraftFiles(context: Context, draftId: string, files: readonly DraftFile[]): Promise<void> {
  const id = toBytes(draftId, 'draftId')
  // One statement must not touch a row twice, so of files with one path only the last is kept.
  const rows = [...new Map(files.map((file) => [file.path, file])).values()].map((file) => ({
    draft_id: id,
    path: toBytes(file.path, 'path'),
    key: toBytes(file.key, 'key'),
    size: file.size,
    digest: file.digest,
    content_type: file.contentType ?? null,
    fingerprint: file.fingerprint ?? null,
  }))
  await inTransaction(context, async ({ db, dialect, clock }) => {
    await requireOpen({ db, dialect, clock }, draftId)
    for (let at = 0; at < rows.length; at += BATCH) {
      await db
        .insertInto('draft_files')
        .values(rows.slice(at, at + BATCH))
        .onConflict((conflict) =>
          conflict.columns(['draft_id', 'path']).doUpdateSet((eb) => ({
            key: eb.ref('excluded.key'),
            size: eb.ref('excluded.size'),
            digest: eb.ref('excluded.digest'),
            content_type: eb.ref('excluded.content_type'),
            fingerprint: eb.ref('excluded.fingerprint'),
          })),
        )
        .execute()
    }
    await db.updateTable('drafts').set({ updated_at: clock.now() }).where('id', '=', id).execute()
  })
}

export async function getDraftFile({ db }: Context, draftId: string, path: string): Promise<DraftFile | undefined> {
  const row = await db
    .selectFrom('draft_files')
    .innerJoin('drafts', 'drafts.id', 'draft_files.draft_id')
    .selectAll('draft_files')
    .where('draft_files.draft_id', '=', toBytes(draftId, 'draftId'))
    .where('draft_files.path', '=', toBytes(path, 'path'))
    .where('drafts.status', '=', 'open')
    .executeTakeFirst()
  return row === undefined ? undefined : toDraftFile(row)
}

export async function listDraftFiles(
  { db }: Context,
  draftId: string,
  options: { after?: string; limit?: number } = {},
): Promise<DraftFile[]> {
  let query = db
    .selectFrom('draft_files')
    .innerJoin('drafts', 'drafts.id', 'draft_files.draft_id')
    .selectAll('draft_files')
    .where('draft_files.draft_id', '=', toBytes(draftId, 'draftId'))
    .where('drafts.status', '=', 'open')
    .orderBy('draft_files.path')
  if (options.after !== undefined) query = query.where('draft_files.path', '>', toBytes(options.after, 'after'))
  if (options.limit !== undefined) query = query.limit(Math.max(0, options.limit))
  return (await query.execute()).map(toDraftFile)
}

export async function discardDraft(
  context: Context,
  draftId: string,
  { ifEmpty = false }: { ifEmpty?: boolean },
): Promise<void> {
  await inTransaction(context, async ({ db, dialect, clock }) => {
    const query = db.selectFrom('drafts').select('status').where('id', '=', toBytes(draftId, 'draftId'))
    const draft = await locked(query, dialect).executeTakeFirst()
    if (draft === undefined) throw noDraft(draftId)
    if (draft.status === 'published') throw notOpen(draftId, draft.status)
    if (ifEmpty && draft.status === 'open') await requireEmpty({ db, dialect, clock }, draftId)
    await db
      .updateTable('drafts')
      .set({ status: 'discarded', updated_at: clock.now() })
      .where('id', '=', toBytes(draftId, 'draftId'))
      .where('status', '=', 'open')
      .execute()
  })
}

/** Files are added under the lock of their draft, which the caller holds. */
async function requireEmpty({ db }: Context, draftId: string): Promise<void> {
  const files = db.selectFrom('draft_files').select('path').where('draft_id', '=', toBytes(draftId, 'draftId'))
  if ((await files.limit(1).executeTakeFirst()) === undefined) return
  throw new StowageError('conflict', `Draft ${JSON.stringify(draftId)} has files.`)
}

/** Locks an open draft until the transaction ends. */
async function requireOpen({ db, dialect }: Context, draftId: string): Promise<void> {
  const query = db.selectFrom('drafts').select('status').where('id', '=', toBytes(draftId, 'draftId'))
  const draft = await locked(query, dialect).executeTakeFirst()
  if (draft === undefined) throw noDraft(draftId)
  if (draft.status !== 'open') throw notOpen(draftId, draft.status)
}

export function noDraft(draftId: string): StowageError {
  return new StowageError('not-found', `There is no draft ${JSON.stringify(draftId)}.`)
}

export function notOpen(draftId: string, status: string): StowageError {
  return new StowageError('conflict', `The draft ${JSON.stringify(draftId)} is ${status}.`, {
    hint: 'Begin another draft.',
  })
}
