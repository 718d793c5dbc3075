import { type DatasetVersion, type Publication, StowageError } from '@stowage/core'
import { type Context, inTransaction, locked, toBytes } from '../database/index.ts'
import { noDraft, notOpen } from './drafts.ts'
import { insertParts } from './parts.ts'
import { toVersion } from './rows.ts'

export async function publish(context: Context, publication: Publication): Promise<DatasetVersion> {
  return inTransaction(context, async ({ db, dialect, clock }) => {
    const { draftId, manifest, size, fileCount, message } = publication
    const id = toBytes(draftId, 'draftId')
    const draft = await locked(db.selectFrom('drafts').selectAll().where('id', '=', id), dialect).executeTakeFirst()
    if (draft === undefined) throw noDraft(draftId)
    if (draft.status === 'published' && draft.published_version !== null) {
      return published({ db, dialect, clock }, draft.dataset_id, draft.published_version, publication)
    }
    if (draft.status !== 'open') throw notOpen(draftId, draft.status)

    const now = clock.now()
    const number = draft.base_version + 1
    // The compare-and-swap that gives the number: of several drafts with one base, the first moves the dataset on.
    const { numUpdatedRows } = await db
      .updateTable('datasets')
      .set({ version: number, size, file_count: fileCount, updated_at: now })
      .where('id', '=', draft.dataset_id)
      .where('version', '=', draft.base_version)
      .executeTakeFirst()
    if (numUpdatedRows !== 1n) {
      throw new StowageError('conflict', `Another version was published after version ${draft.base_version}.`, {
        hint: 'Begin a draft on the newest version and publish that.',
      })
    }
    await insertParts({ db, dialect, clock }, draft, number, publication)
    const version = await db
      .insertInto('versions')
      .values({
        dataset_id: draft.dataset_id,
        number,
        manifest,
        parents: JSON.stringify(draft.base_version === 0 ? [] : [draft.base_version]),
        author: draft.author,
        message,
        size,
        file_count: fileCount,
        created_at: now,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
    await db
      .insertInto('replicas')
      .values({
        dataset_id: draft.dataset_id,
        version: number,
        source_id: draft.source_id,
        path: draft.path,
        size,
        status: 'ready',
        is_primary: 1,
        last_sync_at: null,
        error_message: null,
        created_at: now,
        updated_at: now,
      })
      .execute()
    await db
      .insertInto('outbox')
      .values({
        kind: 'dataset.published',
        dataset_id: draft.dataset_id,
        version: number,
        created_at: now,
        attempts: 0,
        held_until: 0,
      })
      .execute()
    await db
      .updateTable('drafts')
      .set({ status: 'published', published_version: number, updated_at: now })
      .where('id', '=', id)
      .execute()
    return toVersion(version)
  })
}

/** The answer to publishing a draft again: its version, when it is the same manifest. */
async function published(
  { db }: Context,
  datasetId: Uint8Array,
  number: number,
  { draftId, manifest }: Publication,
): Promise<DatasetVersion> {
  const row = await db
    .selectFrom('versions')
    .selectAll()
    .where('dataset_id', '=', datasetId)
    .where('number', '=', number)
    .executeTakeFirstOrThrow()
  if (row.manifest === manifest) return toVersion(row)
  throw new StowageError('conflict', `The draft ${JSON.stringify(draftId)} was published with another manifest.`)
}

export async function getVersion(
  { db }: Context,
  datasetId: string,
  number: number,
): Promise<DatasetVersion | undefined> {
  const row = await db
    .selectFrom('versions')
    .selectAll()
    .where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .where('number', '=', number)
    .executeTakeFirst()
  return row === undefined ? undefined : toVersion(row)
}

export async function listVersions({ db }: Context, datasetId: string): Promise<DatasetVersion[]> {
  const rows = await db
    .selectFrom('versions')
    .selectAll()
    .where('dataset_id', '=', toBytes(datasetId, 'datasetId'))
    .orderBy('number', 'desc')
    .execute()
  return rows.map(toVersion)
}
