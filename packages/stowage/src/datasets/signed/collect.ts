import { type Draft, hasCode, type StorageAdapter, type SyncTask, throwIfAborted } from '@stowage/core'
import type { Manifests } from '../manifests.ts'
import { acceptUpload } from './accept.ts'
import {
  type DiscardedRecord,
  type Found,
  GRACE,
  type LeftRecord,
  type SignedRecord,
  STREAM_SILENCE,
  type StreamRecord,
} from './notes.ts'
import { clear, type Holds, inDraft, refuse } from './refuse.ts'
import { abortAll, adapterOf, type DraftScope } from './scope.ts'

/**
 * Throws away what is over in a draft that is open or published: uploads by URL whose URLs have all expired, and uploads of streams whose writer
 * was not seen for long or whose draft is closed. Returns how many.
 */
export async function sweepDraft(scope: DraftScope, manifests: Manifests): Promise<number> {
  const { draft, notes } = scope
  const adapter = await adapterOf(scope)
  const now = await notes.now()
  const isOpen = draft.status === 'open'
  const holds = isOpen ? inDraft(scope) : inVersion(scope, manifests)
  let count = 0
  const living = new Set<string>()
  for await (const found of notes.all<SignedRecord>('signed/')) {
    if (found.value.state === 'open') living.add(notes.blocksOf(found.value))
    if (found.value.expiresAt + GRACE > now) continue
    if (isOpen && found.value.state === 'accepted') await acceptUpload(scope, found.value.path)
    else if (await sweepSigned(scope, adapter, found, holds)) count++
  }
  for await (const { value, key } of notes.all<LeftRecord>('left/')) {
    if (value.expiresAt + GRACE > now) continue
    await clear(scope, adapter, value, holds)
    await notes.forget(key)
    count++
  }
  // Of attempts that were not begun after all. One that is being begun this very moment is only checked a little later for it.
  for await (const key of notes.keys('blocks/')) {
    if (!living.has(key.slice(0, key.lastIndexOf('.') + 1))) await notes.forget(key)
  }
  return count + (await sweepStreams(scope, adapter, isOpen ? now - STREAM_SILENCE : Number.POSITIVE_INFINITY))
}

async function sweepSigned(
  scope: DraftScope,
  adapter: StorageAdapter,
  found: Found<SignedRecord> & { key: string },
  holds: Holds,
): Promise<boolean> {
  const { notes } = scope
  const { path, state } = found.value
  const why = { code: 'conflict', message: `The upload of "${path}" expired before it was accepted.` } as const
  // Nothing is accepted after this, so what lies at the key can go.
  const refused = state === 'refused' ? found : await refuse(scope, adapter, found, why, holds)
  if (refused === undefined) return false
  if (refused === found) await clear(scope, adapter, found.value, holds)
  try {
    await notes.forget(found.key, refused.revision)
    return true
  } catch (error) {
    if (hasCode(error, 'conflict')) return false
    throw error
  }
}

/** @param silentSince writers that were seen after it are left alone */
async function sweepStreams(
  { draft, notes }: DraftScope,
  adapter: StorageAdapter,
  silentSince: number,
): Promise<number> {
  const living = new Set<string>()
  const dead: { value: StreamRecord; key: string }[] = []
  for await (const { value, key } of notes.all<StreamRecord>('stream/')) {
    if (value.aliveAt > silentSince) living.add(value.key)
    else dead.push({ value, key })
  }
  let count = 0
  for (const { value, key } of dead) {
    const at = draft.path + value.key
    if (value.uploadId !== null) await adapter.multipart.abort(at, value.uploadId)
    // Its id is not known, so while another writes to the same key it cannot be told which is which.
    else if (living.has(value.key)) continue
    else await abortAll(adapter, at)
    await notes.forget(key)
    count++
  }
  return count
}

/** Whether the version that a draft became has this very object. */
function inVersion({ context, draft }: DraftScope, manifests: Manifests): Holds {
  return async ({ path, key }) => {
    if (draft.status !== 'published') return false
    const { datasetId, baseVersion } = draft
    const version = await context.catalog.getVersion(datasetId, baseVersion + 1)
    if (version === undefined) return false
    const replicas = await context.catalog.listReplicas(datasetId, version.number)
    const manifest = await manifests.of(
      version,
      replicas.filter((replica) => replica.status === 'ready'),
    )
    return (await manifest.find(path))?.key === key
  }
}

/**
 * Deletes everything of a discarded draft. Whoever was still writing may write a last time, so it is looked at again by later sweeps, until
 * nothing was found for long.
 */
export async function collectDraft(
  scope: DraftScope,
  { at }: DiscardedRecord,
  folders: readonly SyncTask[],
  signal: AbortSignal | undefined,
): Promise<{ uploads: number; objects: number }> {
  const { draft, notes } = scope
  const adapter = await adapterOf(scope)
  const now = await notes.now()
  let uploads = await forgetFolders(scope, adapter, folders, signal)
  uploads += await sweepStreams(scope, adapter, Number.POSITIVE_INFINITY)
  let quietAt = at + GRACE
  for (const kind of ['signed/', 'left/'] as const) {
    for await (const { value, key } of notes.all<SignedRecord>(kind)) {
      if (value.partSize !== null) await abortAll(adapter, draft.path + value.key)
      quietAt = Math.max(quietAt, value.expiresAt + GRACE)
      if (value.expiresAt + GRACE > now) continue
      await notes.forget(key)
      uploads++
    }
  }
  const objects = await deleteObjects(draft, adapter, signal)
  if (objects + uploads === 0 && quietAt < now) {
    // The note that it was discarded goes last: a crash in between leaves it for the next sweep.
    for await (const key of notes.keys()) if (key !== notes.discarded) await notes.forget(key)
    await notes.forget(notes.discarded)
  }
  return { uploads, objects }
}

/** Aborts what uploads of folders into this draft left unfinished. @throws StowageError `lease-held` while one of them runs */
async function forgetFolders(
  { context }: DraftScope,
  adapter: StorageAdapter,
  folders: readonly SyncTask[],
  signal: AbortSignal | undefined,
): Promise<number> {
  let count = 0
  for (const { sourceId, sourcePrefix, targetPrefix, options } of folders) {
    count += await context.sync.forgetUploads({
      from: { adapter: { id: sourceId }, prefix: sourcePrefix },
      to: { adapter, prefix: targetPrefix },
      ...(options?.include === undefined ? {} : { include: options.include }),
      ...(options?.exclude === undefined ? {} : { exclude: options.exclude }),
      ...(signal === undefined ? {} : { signal }),
    })
  }
  return count
}

/** Keys of a draft begin with its id, and those of later attempts of uploads by URL with its id and a dot. */
async function deleteObjects(draft: Draft, adapter: StorageAdapter, signal: AbortSignal | undefined): Promise<number> {
  let count = 0
  for (const prefix of [`${draft.path}${draft.id}/`, `${draft.path}${draft.id}.`]) {
    for await (const { objects } of adapter.list({ prefix, ...(signal === undefined ? {} : { signal }) })) {
      throwIfAborted(signal)
      if (objects.length === 0) continue
      const { deleted, failed } = await adapter.deleteMany(objects.map(({ key }) => key))
      if (failed[0] !== undefined) throw failed[0].error
      count += deleted.length
    }
  }
  return count
}
