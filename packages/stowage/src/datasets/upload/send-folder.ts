import { realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { contentTypeOf, filesystem } from '@stowage/adapters/filesystem'
import {
  at,
  compareKeys,
  type Draft,
  type DraftFile,
  harmless,
  type StorageAdapter,
  StowageError,
  type SyncProgress,
  type UploadProgress,
} from '@stowage/core'
import type { SettledObject, SourceObject, SyncResult } from '@stowage/sync'
import type { Context } from '../../app/context.ts'
import { PathGuard } from '../path-guard.ts'
import { refuseTaken, scopeOf } from '../signed/index.ts'
import { UploadError } from '../upload-error.ts'
import { identify } from './identify.ts'

export interface UploadFolderOptions {
  signal?: AbortSignal
  onProgress?: (progress: UploadProgress) => void
  /** Transfers at once. @defaultValue 16 */
  concurrency?: number
  /** Folder inside the dataset. @defaultValue its root */
  under?: string
}

/** What an upload of a folder did. */
export interface UploadedFolder {
  files: number
  /** Bytes sent; less than the folder's size when an earlier run had sent some. */
  transferred: number
  /** Names that differ only by case or by composition of accents, which some disks cannot hold side by side. */
  collisions: { path: string; other: string }[]
  /** What lay in the folder and is no file: sockets, links that lead out. */
  ignored: string[]
}

/**
 * Uploads a folder, or one file, into a draft.
 * @param onMove told whenever something moved
 */
export async function sendFolder(
  context: Context,
  draft: Draft,
  path: string,
  options: UploadFolderOptions,
  onMove: () => void,
): Promise<UploadedFolder> {
  const { root, only } = await open(path)
  const local = filesystem({ id: localId(root), root })
  let guard = new PathGuard()
  let last = ''
  let sent = 0
  const collisions: UploadedFolder['collisions'] = []
  const onProgress = harmless(options.onProgress, 'onProgress')
  const under = options.under === undefined || options.under === '' ? '' : `${options.under.replace(/\/+$/, '')}/`
  await context.caches.assertRoom(draft.sourceId)
  const target = await context.sources.adapter(draft.sourceId)
  try {
    const result = await context.sync.run({
      from: at(local),
      to: { adapter: target, prefix: `${draft.path}${draft.id}/${under}` },
      ...(only === undefined ? {} : { objects: () => one(local, only) }),
      createOnly: true,
      managedCheck: false,
      datasetId: draft.datasetId,
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      checkKey: (key) => {
        // A run that goes on in the middle looks at what lies before afterwards.
        if (compareKeys(key, last) < 0) guard = new PathGuard()
        last = key
        const other = guard.collision(under + key)
        if (other !== undefined) collisions.push({ path: under + key, other })
        return guard.problem(under + key)
      },
      onSettled: async (objects) => {
        onMove()
        await record(context, draft, objects, under, options.signal)
      },
      onProgress: (progress) => {
        if (progress.bytes !== sent) onMove()
        sent = progress.bytes
        tell(context, draft, progress, onProgress)
      },
    })
    finish(result, draft.id)
    return {
      files: result.objects.copied + result.objects.skipped,
      transferred: result.bytes.transferred,
      collisions,
      ignored: result.warnings,
    }
  } finally {
    await local.close()
  }
}

async function record(
  context: Context,
  draft: Draft,
  objects: readonly SettledObject[],
  under: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const adapter = await context.sources.adapter(draft.sourceId)
  const files: DraftFile[] = []
  for (const object of objects) {
    const path = under + object.key
    const key = `${draft.id}/${path}`
    const { digest, size } = await identify(adapter, draft.path, key, object, signal)
    files.push({ path, key, size, digest, contentType: contentTypeOf(path) })
  }
  await refuseTaken(
    scopeOf(context, draft),
    files.map((file) => file.path),
  )
  await context.catalog.putDraftFiles(draft.id, files)
  await context.caches.assertRoom(draft.sourceId)
}

function tell(
  { events }: Context,
  draft: Draft,
  progress: SyncProgress,
  listener: (progress: UploadProgress) => void,
): void {
  const upload: UploadProgress = {
    datasetId: draft.datasetId,
    draftId: draft.id,
    files: progress.objects.copied + progress.objects.skipped,
    bytes: progress.bytes,
    totalBytes: progress.totalBytes,
    listingDone: progress.listingDone,
    percent: progress.percent,
    rate: progress.rate,
    ...(progress.secondsLeft === undefined ? {} : { secondsLeft: progress.secondsLeft }),
  }
  listener(upload)
  events.emit('upload.progress', upload)
}

async function open(path: string): Promise<{ root: string; only?: string }> {
  try {
    const real = await realpath(path)
    const found = await stat(real)
    if (found.isDirectory()) return { root: real }
    if (!found.isFile()) throw new Error('neither a file nor a folder')
    return { root: dirname(real), only: basename(real) }
  } catch (cause) {
    throw new StowageError('configuration', `There is nothing to upload at "${path}".`, {
      cause,
      hint: 'Name a folder or a file.',
    })
  }
}

/** What the folder of an upload is called as the source of its task. */
function localId(root: string): string {
  return `local:${root}`
}

/** The source, in tasks, of an upload of this folder or file. @throws StowageError `configuration` when there is none */
export async function localSourceOf(path: string): Promise<string> {
  return localId((await open(path)).root)
}

async function* one(local: StorageAdapter, key: string): AsyncGenerator<SourceObject[]> {
  const { size, etag } = await local.head(key)
  yield [{ key, size, etag }]
}

/** @throws UploadError when files failed, `aborted` when it was stopped, or what ended it */
function finish(result: SyncResult, draftId: string): void {
  if (result.status === 'success') return
  const hint = `Nothing was published. Go on with draft ${draftId}; what was sent is not sent again.`
  const [first] = result.errors
  if (first !== undefined) throw new UploadError(first, result, hint)
  if (result.error !== undefined) throw new StowageError(result.error.code, result.error.message, { hint })
  throw new StowageError('aborted', 'The upload was stopped before its end.', { hint })
}
