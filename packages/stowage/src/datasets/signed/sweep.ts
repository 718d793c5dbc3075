import { type Draft, StowageError, type SyncTask, throwIfAborted, toStowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { Manifests } from '../manifests.ts'
import { collectDraft, sweepDraft } from './collect.ts'
import { giveUp } from './give-up.ts'
import {
  type DiscardedRecord,
  DraftNotes,
  GRACE,
  type SignedRecord,
  STREAM_SILENCE,
  type StreamRecord,
} from './notes.ts'
import { scopeOf } from './scope.ts'

const WEEK = 7 * 24 * 3_600_000

export interface SweepOptions {
  /** Open drafts that nobody added to for so long are given up, in milliseconds. @defaultValue seven days */
  olderThan?: number
  signal?: AbortSignal
}

/** What a sweep did. */
export interface Swept {
  /** Uploads by URL, of streams and of folders that were over or abandoned, and are thrown away. */
  uploads: number
  /** Objects of discarded drafts that were deleted. */
  objects: number
  /** Drafts that were given up now, by their ids. */
  drafts: string[]
  /** What could not be swept, and why. The next sweep tries again. */
  failed: { draftId: string; error: StowageError }[]
}

/**
 * Throws away what uploads left behind: expired uploads by URL, unfinished ones of writers that died, and whole drafts that nobody goes on with.
 * Only what is written down is touched, by its exact key, and what lies under the id of a discarded draft.
 */
export async function sweepDrafts(context: Context, manifests: Manifests, options: SweepOptions): Promise<Swept> {
  const { olderThan = WEEK, signal } = options
  if (!(olderThan >= 0)) {
    throw new StowageError('invalid-request', '"olderThan" must be milliseconds.', { field: 'olderThan' })
  }
  const swept: Swept = { uploads: 0, objects: 0, drafts: [], failed: [] }
  const trying = async (draftId: string, work: () => Promise<void>): Promise<void> => {
    throwIfAborted(signal)
    try {
      await work()
    } catch (thrown) {
      const error = toStowageError(thrown, signal)
      if (error.code === 'aborted') throw error
      swept.failed.push({ draftId, error })
    }
  }
  const folders = foldersInto(context)
  for await (const draft of openDrafts(context)) {
    await trying(draft.id, async () => {
      if (await isAbandoned(context, draft, olderThan)) {
        if (await giveUp(context, draft)) swept.drafts.push(draft.id)
      }
    })
  }
  for await (const id of DraftNotes.drafts(context.records)) {
    await trying(id, async () => {
      const notes = new DraftNotes(context.records, id)
      const draft = await context.catalog.getDraft(id)
      if (draft === undefined) return
      const scope = { context, draft, notes }
      const discarded = await notes.read<DiscardedRecord>(notes.discarded)
      if (discarded === undefined || draft.status !== 'discarded') {
        // Published while it was being given up. One that is open still may be closed by another sweep, which counts on its note.
        if (discarded !== undefined && draft.status === 'published') await notes.forget(notes.discarded)
        swept.uploads += await sweepDraft(scope, manifests)
        return
      }
      const { uploads, objects } = await collectDraft(scope, discarded.value, await folders(draft), signal)
      swept.uploads += uploads
      swept.objects += objects
    })
  }
  return swept
}

async function* openDrafts({ catalog }: Context): AsyncGenerator<Draft> {
  for (let after: string | undefined; ; ) {
    const page = await catalog.listDatasets({ limit: 1000, ...(after === undefined ? {} : { after }) })
    for (const { id } of page) yield* await catalog.listDrafts(id)
    after = page.at(-1)?.id
    if (page.length < 1000) return
  }
}

/** Whether nobody adds to a draft any more, as far as can be told. */
async function isAbandoned(context: Context, draft: Draft, olderThan: number): Promise<boolean> {
  const { notes } = scopeOf(context, draft)
  const now = await notes.now()
  if (draft.updatedAt > now - olderThan) return false
  for await (const { value } of notes.all<SignedRecord>('signed/')) {
    if (value.state !== 'refused' && value.expiresAt + GRACE > now) return false
  }
  for await (const { value } of notes.all<StreamRecord>('stream/')) {
    if (value.aliveAt + STREAM_SILENCE > now) return false
  }
  return true
}

/** The tasks that uploaded folders into a draft. All tasks are read once, when they are first asked for. */
function foldersInto({ sync }: Context): (draft: Draft) => Promise<SyncTask[]> {
  let reading: Promise<SyncTask[]> | undefined
  const read = async (): Promise<SyncTask[]> => {
    const found: SyncTask[] = []
    for await (const task of sync.tasks.list()) {
      if (task.datasetId !== undefined && task.version === undefined) found.push(task)
    }
    return found
  }
  return async ({ id, path, sourceId }) => {
    reading ??= read()
    const prefix = `${path}${id}/`
    return (await reading).filter((task) => task.targetId === sourceId && task.targetPrefix.startsWith(prefix))
  }
}
