import type { SourceChangesSince } from '@stowage/core'
import { type Context, counted, fromBytes } from '../database/index.ts'
import { selectSources, toSource } from './rows.ts'
import { CHANGES } from './sources.ts'

/**
 * The cursor is read first: what is committed while the rows are read has a higher count, and so comes again with the next call, even
 * where it was seen already. Counts are committed in order (see `nextCount`), so nothing below the cursor can appear later.
 */
export async function changes(context: Context, since?: string): Promise<SourceChangesSince> {
  const count = await counted(context.db, CHANGES)
  const cursor = String(count)
  const from = since !== undefined && /^\d{1,15}$/.test(since) && Number(since) <= count ? Number(since) : undefined
  if (from === count) return { cursor, whole: false, changed: [], removed: [] }
  const query = selectSources(context).orderBy('sources.change')
  const rows = await (from === undefined ? query : query.where('sources.change', '>', from)).execute()
  const removed =
    from === undefined
      ? []
      : await context.db
          .selectFrom('removed_sources')
          .select('id')
          .where('change', '>', from)
          .orderBy('change')
          .execute()
  const gone = new Set(removed.map((row) => fromBytes(row.id)))
  return {
    cursor,
    whole: from === undefined,
    // Removed between the two statements: it is told once, as what it is now.
    changed: rows.map(toSource).filter(({ id }) => !gone.has(id)),
    removed: [...gone],
  }
}
