import { type Draft, hasCode } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { DiscardedRecord } from './notes.ts'
import { scopeOf } from './scope.ts'

/**
 * Closes a draft that nobody goes on with, after it was written down that its objects are to go: the sweep deletes them.
 * @param options `ifEmpty`: only a draft that has no files
 * @returns whether it is closed; one that was published, or has files and should have none, stays as it is
 */
export async function giveUp(context: Context, draft: Draft, options: { ifEmpty?: boolean } = {}): Promise<boolean> {
  const { notes } = scopeOf(context, draft)
  const { datasetId, sourceId, path } = draft
  const record: DiscardedRecord = { datasetId, sourceId, path, at: await notes.now() }
  await notes.replace(notes.discarded, record)
  try {
    await context.catalog.discardDraft(draft.id, options)
    return true
  } catch (error) {
    // Published in this very moment: then its objects stay.
    if (!hasCode(error, 'conflict')) throw error
    await notes.forget(notes.discarded)
    return false
  }
}
