import type { Context } from '../database/index.ts'

/** Rows deleted at a time. Each delete blocks the thread, so a draft of millions of files goes in many short ones. */
const BATCH = 5_000

/**
 * Deletes the files of closed drafts. Closing a draft hides its files at once, in the same transaction; their rows go afterwards, here, and
 * what a crash left behind goes the next time.
 */
export async function purgeClosedDrafts({ db }: Context): Promise<void> {
  for (;;) {
    const draft = await db
      .selectFrom('drafts')
      .select('id')
      .where('purged', '=', 0)
      .where('status', 'in', ['published', 'discarded'])
      .limit(1)
      .executeTakeFirst()
    if (draft === undefined) return
    for (;;) {
      const paths = await db
        .selectFrom('draft_files')
        .select('path')
        .where('draft_id', '=', draft.id)
        .orderBy('path')
        .limit(BATCH)
        .execute()
      const last = paths.at(-1)
      if (last === undefined) break
      await db.deleteFrom('draft_files').where('draft_id', '=', draft.id).where('path', '<=', last.path).execute()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await db.updateTable('drafts').set({ purged: 1 }).where('id', '=', draft.id).execute()
  }
}
