import { type Publication, StowageError } from '@stowage/core'
import type { Selectable } from 'kysely'
import { type Context, type DraftTable, fromBytes, toBytes } from '../database/index.ts'

/** Rows of one insert. */
const BATCH = 500

/**
 * Notes what of a version each draft brought, while the draft is published.
 * @throws StowageError `conflict` when files stay whose replica has left the draft's source
 */
export async function insertParts(
  { db }: Context,
  draft: Selectable<DraftTable>,
  version: number,
  { draftId, size, parts = [{ draft: draftId, size }] }: Publication,
): Promise<void> {
  if (draft.base_version > 0 && parts.some((part) => part.draft !== draftId)) {
    const base = await db
      .selectFrom('replicas')
      .select('status')
      .where('dataset_id', '=', draft.dataset_id)
      .where('version', '=', draft.base_version)
      .where('source_id', '=', draft.source_id)
      .executeTakeFirst()
    if (base === undefined || base.status === 'deleting') {
      const source = fromBytes(draft.source_id)
      throw new StowageError('conflict', `Version ${draft.base_version}, whose files stay, has left "${source}".`, {
        sourceId: source,
        hint: 'Begin a new draft, which goes where the version is.',
      })
    }
  }
  const rows = parts.map((part) => ({
    dataset_id: draft.dataset_id,
    version,
    draft: toBytes(part.draft, 'draft'),
    size: part.size,
  }))
  for (let at = 0; at < rows.length; at += BATCH) {
    await db
      .insertInto('version_parts')
      .values(rows.slice(at, at + BATCH))
      .execute()
  }
}
